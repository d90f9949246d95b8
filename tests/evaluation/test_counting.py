"""Scores where mixtures differ in their number of speakers, and systems find out how many."""

import numpy as np
import pandas as pd
import pytest
from systems import path_of, with_short

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.aggregate import combine, summarise
from pipeline.evaluation.counting import confusion, counting
from pipeline.evaluation.measures import Item, open_measure
from pipeline.evaluation.metrics import matching, si_sdr
from pipeline.evaluation.score import score
from pipeline.evaluation.undefined import NO_OUTPUT
from pipeline.tasks.grammar import System

RATE, TIME, MOST = 8000, 4000, 3
SYSTEM = System.parse(path_of("conv/noisy/noisy"))


def write(path, samples):
    audio.write(path, samples.astype(np.float32), RATE, subtype="FLOAT")
    return str(path)


@pytest.fixture
def scored(tmp_path):
    """`scored({3: 2}, …)`: the score table of mixtures of some speakers of which some are found.

    Estimates are the speakers with noise at -20 dB, in reverse order; those beyond are noise.
    """

    def make(*numbers, system=SYSTEM, wanted=("si_sdr", "sir"), spoil=None):
        rng, mixtures, estimates = np.random.default_rng(0), [], []
        for i, (true, found) in enumerate(numbers):
            voices, noise = 0.1 * rng.standard_normal((true, TIME)), 0.1 * rng.standard_normal(TIME)
            outputs = [voice + 0.1 * noise for voice in voices[:found][::-1]]
            outputs += [*0.01 * rng.standard_normal((max(found - true, 0), TIME))]
            row, made = {"mixture_id": f"m{i}", "length": TIME}, {"mixture_id": f"m{i}"}
            signals = {
                "mix_both": voices.sum(0) + noise,
                "mix_clean": voices.sum(0),
                "noise": noise,
            }
            for name, samples in signals.items():
                row[f"{name}_path"] = write(tmp_path / name / f"{i}.wav", samples)
            for k in range(MOST):
                there, written = k < true, k < found
                path = tmp_path / f"s{k + 1}/{i}.wav"
                row[f"s{k + 1}_path"] = write(path, voices[k]) if there else None
                path = tmp_path / f"e{k + 1}/{i}.wav"
                made[f"s{k + 1}_path"] = write(path, outputs[k]) if written else None
            mixtures.append(row)
            estimates.append(made | {"found": found})
        write_manifest(tmp_path / "mixtures.csv", pd.DataFrame(mixtures))
        table = pd.DataFrame(estimates)
        write_manifest(tmp_path / "estimates.csv", table if spoil is None else spoil(table))
        out = tmp_path / f"{system.model.name}.csv"
        unprocessed = system.model.name == "mixture"
        given = None if unprocessed else tmp_path / "estimates.csv"
        measure = open_measure("signal", RATE, metrics=list(wanted))
        score(tmp_path / "mixtures.csv", given, out, system, "1-of-1", RATE, measure)
        return with_short(read_manifest(out))

    return make


def values(table, metric):
    rows = table[table["metric"] == metric]
    return rows.set_index(["mixture_id", "source"])["value"]


def test_all_that_is_found_is_matched(scored):
    table = scored((1, 1), (2, 2), (3, 3))
    found = values(table, "si_sdr")
    assert list(found.index) == [(f"m{i}", f"s{k + 1}") for i in range(3) for k in range(i + 1)]
    assert found.between(19, 21).all()
    assert list(values(table, "sir").groupby("mixture_id").size()) == [
        2,
        3,
    ]  # one has no interferer
    for metric, value in {"counted": 100, "missed": 0, "extra": 0}.items():
        assert values(table, metric).tolist() == [value] * 3


def test_missed_speakers_have_no_value_and_extra_outputs_are_counted(scored):
    table = scored((3, 2), (1, 3), (2, 2), (2, 1))
    found = values(table, "si_sdr")
    assert found.isna().groupby("mixture_id").sum().tolist() == [1, 0, 0, 1]
    assert found.dropna().between(19, 21).all()
    assert pd.isna(found["m0", "s3"]) and pd.isna(found["m3", "s2"])
    reasons = table.loc[table["value"].isna(), "undefined"]
    assert set(reasons) == {NO_OUTPUT}
    # The speaker who is missed is an interferer of the others all the same.
    assert values(table, "sir")["m3", "s1"] > 15
    assert values(table, "counted").tolist() == [0, 0, 100, 0]
    assert values(table, "missed").tolist() == [1, 0, 0, 1]
    assert values(table, "extra").tolist() == [0, 2, 0, 0]
    assert set(table.loc[table["metric"] == "extra", "source"]) == {"mix_clean"}


def test_of_more_outputs_than_speakers_the_best_are_chosen(scored):
    assert values(scored((1, 3)), "si_sdr").item() > 19


def test_nothing_is_found(scored):
    table = scored((2, 0), wanted=["si_sdr", "sdr", "pesq", "stoi", "e_noise"])
    assert values(table, "missed").item() == 2 and values(table, "si_sdr").isna().all()


def test_the_mixture_counts_nothing(scored):
    table = scored((1, 1), (3, 2), system=System.parse(path_of("mixture")))
    assert set(table["metric"]) == {"si_sdr", "sir"}
    assert values(table, "si_sdr").notna().all() and len(values(table, "si_sdr")) == 4


@pytest.mark.parametrize("found", [2, 4])
def test_another_number_of_files_than_was_found_is_refused(scored, tmp_path, found):
    with pytest.raises(PipelineError) as error:
        scored((3, 3), (3, 3), spoil=lambda table: table.assign(found=[3, found]))
    assert str(error.value) == (
        f"{tmp_path / 'estimates.csv'}: has no estimate of s1 of mixture m1; delete it and run"
        " again"
    )


def test_means_are_over_matched_pairs_and_say_how_many_are_missing(scored, tmp_path):
    numbers = [(3, 2), (1, 1), (2, 3)]
    scored(*numbers, system=System.parse(path_of("mixture")))
    table = scored(*numbers)
    combine([tmp_path / "conv.csv", tmp_path / "mixture.csv"], tmp_path / "scores.csv")
    summarise(tmp_path / "scores.csv", tmp_path / "summary.csv")
    summary = with_short(read_manifest(tmp_path / "summary.csv"))
    summary = summary[summary["system"] == "conv/noisy/noisy"].set_index("metric")
    expected = values(table, "si_sdr").groupby("mixture_id").mean().mean()
    assert summary.at["si_sdr", "mean"] == pytest.approx(expected)
    assert summary.loc[["si_sdr", "si_sdri"], "missing"].tolist() == [1, 1]
    assert summary.at["counted", "mean"] == pytest.approx(100 / 3)
    assert summary.loc[["missed", "extra"], "mean"].tolist() == pytest.approx([1 / 3, 1 / 3])


def long(numbers, run=0):
    rows = [
        {"mixture_id": f"m{i}", "run": run, "metric": metric, "value": value}
        for i, (true, found) in enumerate(numbers)
        for metric, value in {"si_sdr": 9.0, **counting(true, found)}.items()
    ]
    return pd.DataFrame(rows)


def test_the_confusion_matrix_counts_mixtures_of_all_trainings():
    numbers = [(1, 1), (1, 2), (2, 2), (3, 2), (3, 3), (3, 3)]
    speakers = pd.Series({f"m{i}": true for i, (true, _) in enumerate(numbers)})
    found = confusion(long(numbers), speakers)
    assert list(found.index) == [1, 2, 3] and list(found.columns) == [1, 2, 3]
    assert found.to_numpy().tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 2]]
    both = confusion(pd.concat([long(numbers), long(numbers[:1], 1)]), speakers)
    assert both.to_numpy().tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 2]]


def test_the_columns_of_the_confusion_matrix_have_no_gap():
    found = confusion(long([(1, 5), (3, 0)]), pd.Series({"m0": 1, "m1": 3}))
    assert list(found.columns) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("true, found", [(3, 2), (2, 3), (1, 1)])
def test_pairs_have_the_highest_sum_of_all(true, found):
    rng = np.random.default_rng(3)
    reference, other = rng.standard_normal((2, 3, 500))
    estimate = reference[rng.permutation(3)][:found] + 2 * other[:found]
    rows, columns = matching(reference[:true], estimate)
    assert len(rows) == min(true, found) and (np.diff(rows) > 0).all()
    chosen = si_sdr(reference[rows], estimate[columns]).sum()
    for _ in range(30):
        some = rng.permutation(true)[: len(rows)], rng.permutation(found)[: len(rows)]
        assert si_sdr(reference[some[0]], estimate[some[1]]).sum() <= chosen + 1e-9


def test_words_of_a_missed_speaker_are_missed_and_those_of_an_extra_output_count(
    tmp_path, monkeypatch
):
    pytest.importorskip("jiwer")
    words = {"a": "one two", "x": "five"}
    monkeypatch.setattr("pipeline.evaluation.measures.open_recogniser", lambda *_: words.get)
    monkeypatch.setattr("pipeline.evaluation.measures.hear", lambda file, rate: file)
    rows = [("m0", "s1", "one two"), ("m0", "s2", "three four")]
    table = pd.DataFrame(rows, columns=["mixture_id", "source", "text"])
    write_manifest(tmp_path / "texts.csv", table)
    measure = open_measure("asr", RATE, references=tmp_path / "texts.csv", engine="x", model=None)
    nothing = np.zeros((2, 9))
    item = Item("m0", ["s1", "s2"], nothing, nothing, ["a", ""], nothing, nothing[0], 2, ("x",))
    found = {(each.source, each.metric): each.value for each in measure(item)}
    assert found["s1", "wer"] == 0 and found["s2", "wer"] == 100
    assert found["mix_clean", "cpwer"] == 50  # one word for another, and one missed
