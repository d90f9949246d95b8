"""Tables and sentences over several trainings of the same networks."""

import json

import numpy as np
import pandas as pd
import pytest
from systems import costs_of, with_columns

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.aggregate import COMPARISON, compare, summarise
from pipeline.evaluation.answer import CAUTION, answer
from pipeline.evaluation.repeats import of_all_trainings

DENOISED, NOISY = "conv/denoised-net/denoised-net", "conv/noisy/noisy"
MIXTURES, SOURCES = 40, 2


def write_tables(folder, systems, trainings, rest=0.3, seed=0):
    """Scores of systems: their mean in each training; and the mixtures that they are of."""
    rng = np.random.default_rng(seed)
    ids = [f"m{n:02d}" for n in range(MIXTURES)]
    difficulty = rng.normal(0, 3, (MIXTURES, SOURCES))
    rows = []
    for system, means in systems.items():
        for run in range(trainings):
            values = means[run] + difficulty + rng.normal(0, rest, difficulty.shape)
            rows += [
                (name, system, f"s{k + 1}", "si_sdri", values[place, k], None, run)
                for place, name in enumerate(ids)
                for k in range(SOURCES)
            ]
    columns = ["mixture_id", "system", "source", "metric", "value", "undefined", "number"]
    table = with_columns(pd.DataFrame(rows, columns=columns))
    write_manifest(folder / "scores.csv", table.assign(run=table.pop("number")))
    speakers = {f"source_{k}_speaker": rng.integers(12, size=MIXTURES) for k in (1, 2)}
    paths = {f"source_{k}_path": "x.wav" for k in (1, 2)}
    noises = [f"noise{n % 10}" for n in range(MIXTURES)]
    mixtures = pd.DataFrame({"mixture_id": ids, "noise": noises, **speakers, **paths})
    write_manifest(folder / "mixtures.csv", mixtures)


def answered(folder, systems, trainings=3, **options):
    """The answer from such scores; the tables behind it stay in the folder."""
    write_tables(folder, systems, trainings, **options)
    scores, mixtures = folder / "scores.csv", folder / "mixtures.csv"
    summarise(scores, folder / "summary.csv", mixtures=mixtures)
    costs = folder / "costs.csv"
    write_manifest(costs, costs_of(systems))
    compare(scores, folder / "pairs.csv", mixtures=mixtures, margin=0.25, costs=costs)
    columns = ["task", "name", "latency_ms", "audio_seconds", "device", "threads"]
    write_manifest(folder / "latency.csv", pd.DataFrame(columns=columns))
    tables = [folder / f"{name}.csv" for name in ("pairs", "summary", "costs", "latency")]
    answer(*tables, folder / "answer.json")
    return json.loads((folder / "answer.json").read_text(), parse_constant=pytest.fail)


def test_trainings_that_agree_give_a_verdict(tmp_path):
    systems = {DENOISED: [4.0, 4.1, 3.9], NOISY: [3.0, 3.05, 2.95]}
    found = answered(tmp_path, systems)
    [sentence, _] = found["sentences"]
    assert sentence.startswith(
        "Denoising first with net helps: over 3 trainings conv, trained on denoised mixtures,"
        " reached "
    )
    assert " dB higher (95 % interval " in sentence
    [fact] = found["facts"]
    assert (fact["verdict"], fact["trainings"]) == ("helps", 3)
    swapped = {DENOISED: systems[NOISY], NOISY: systems[DENOISED]}
    assert "Denoising first with net hurts: " in answered(tmp_path, swapped)["sentences"][0]


def test_trainings_that_disagree_give_none(tmp_path):
    """As two processors did: a loss of 0.49 dB on one, a gain of 0.44 dB on the other."""
    systems = {DENOISED: [2.51, 3.44, 3.1], NOISY: [3.0, 3.0, 3.0]}
    [sentence, _] = answered(tmp_path, systems)["sentences"]
    assert "Denoising first with net is not shown to help or to hurt: over 3" in sentence


def test_no_difference_has_to_be_shown(tmp_path):
    systems = {DENOISED: [3.01, 3.0, 2.99], NOISY: [3.0, 3.01, 3.0]}
    [sentence, _] = answered(tmp_path, systems, rest=0.1)["sentences"]
    assert "with net makes no difference of 0.25 dB or more: over 3 trainings" in sentence


def test_more_questions_need_more_evidence(tmp_path):
    systems = {DENOISED: [4.35, 4.75, 3.8], NOISY: [3.0, 3.0, 3.0]}
    alone = answered(tmp_path, systems)["facts"][0]
    assert 0.025 < alone["p_value"] < 0.05 and alone["verdict"] == "helps"
    systems |= {"conv/clean/denoised-net": [3.0, 3.5, 2.6], "conv/clean/noisy": [3.0, 3.0, 3.0]}
    facts = answered(tmp_path, systems)["facts"][:3]
    assert [fact["kind"] for fact in facts] == ["matched", "clean-cascade", "clean-trained"]
    assert alone["p_value_adjusted"] == pytest.approx(alone["p_value"])
    first = facts[0]  # the least likely by chance, of three
    assert first["p_value"] == min(fact["p_value"] for fact in facts)
    assert first["p_value_adjusted"] == pytest.approx(3 * first["p_value"])
    assert first["verdict"] == "not decided"
    assert all(fact["p_value_adjusted"] >= first["p_value_adjusted"] for fact in facts)


def test_one_training_gives_no_verdict(tmp_path):
    found = answered(tmp_path, {DENOISED: [9.0], NOISY: [3.0]}, trainings=1)
    assert found["sentences"][0].startswith("In this run ") and found["sentences"][2] == CAUTION
    assert "verdict" not in found["facts"][0]


def test_tables_have_a_row_for_each_training_and_one_for_all(tmp_path):
    systems = {DENOISED: [4.0, 4.5, 3.5], NOISY: [3.0, 3.0, 3.0]}
    answered(tmp_path, systems)
    summary = read_manifest(tmp_path / "summary.csv")
    summary["run"] = summary["run"].astype(str)
    assert summary["run"].value_counts().to_dict() == {"0": 2, "1": 2, "2": 2, "all": 2}
    runs = summary.set_index(["trained", "run"])["mean"]
    of_all = runs["noisy", "all"]
    assert of_all == pytest.approx(np.mean([runs["noisy", run] for run in "012"]))
    assert of_all_trainings(summary)["mean"].tolist() == [runs["denoised-net", "all"], of_all]
    pairs = read_manifest(tmp_path / "pairs.csv")
    assert list(pairs) == COMPARISON
    [row] = pairs.to_dict("records")
    assert (row["run_a"], row["run_b"], row["trainings"]) == ("all", "all", 3)
    assert (row["trained_a"], row["trained_b"]) == ("denoised-net", "noisy")
    assert row["difference"] == pytest.approx(runs["denoised-net", "all"] - of_all)
    assert row["low"] < row["difference"] < row["high"]
    assert row["mixtures"] == MIXTURES and row["win_rate"] > 0.9
    # The spread of the trainings is in the interval: 0.5 dB of three trainings.
    assert row["high"] - row["low"] > 2 * 0.5


def test_of_one_training_a_summary_is_as_it_was():
    table = pd.DataFrame({"task": "separate", "name": ["a", "b"], "trained": "noisy", "run": 0})
    table = table.assign(tested="noisy", mean=[1.0, 2.0])
    pd.testing.assert_frame_equal(of_all_trainings(table), table)


def test_further_forms_of_the_question_have_a_verdict(tmp_path):
    systems = {
        "conv/denoised-net/denoised-net-dry30": [4.0, 4.1, 3.9],
        "conv/noisy/noisy--denoised-net": [1.0, 1.05, 0.95],
        NOISY: [3.0, 3.05, 2.95],
    }
    added, after = (f for f in answered(tmp_path, systems)["facts"] if "verdict" in f)
    assert (added["verdict"], after["verdict"]) == ("helps", "hurts")
    assert added["sentence"].startswith(
        "Denoising first with net and adding 30 % of the mixture back (the best on dev) helps: over"
        " 3 trainings conv, trained on denoised mixtures, reached "
    )
    assert after["sentence"].startswith(
        "Separating first and denoising each source with net hurts: over 3 trainings conv, trained"
        " on noisy mixtures, reached "
    )
    assert "adjusted for 2 comparisons" in added["sentence"] and "adjusted" in after["sentence"]
    assert after["low"] < after["difference"] < after["high"] < 0
