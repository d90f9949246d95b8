import json

import numpy as np
import pandas as pd
import pytest
from systems import costs_of, with_columns

from pipeline.base.files import write_manifest
from pipeline.evaluation.aggregate import compare, summarise
from pipeline.evaluation.answer import CAUTION, answer

DENOISED, NOISY = "conv/denoised-net/denoised-net", "conv/noisy/noisy"
COUNT = 200


def timed(system, latency_ms, device="CPU Intel Xeon", threads=1):
    """A row of latency.csv; of 6.1 s of audio."""
    return {
        **{"system": system, "mixture_id": "m0"},
        **{"audio_seconds": 6.1, "latency_ms": latency_ms, "rtf": 0.1},
        **{"read_ms": 1.0, "write_ms": 1.0, "device": device, "threads": threads},
    }


def answered(path, systems, metric="si_sdri", times=(), costs=None):
    """The answer from one value a mixture for each system, and from rows of latency.csv."""
    rows = [
        (f"m{i}", system, "s1", metric, value, None)
        for system, values in systems.items()
        for i, value in enumerate(values)
    ]
    columns = ["mixture_id", "system", "source", "metric", "value", "undefined"]
    write_manifest(path / "scores.csv", with_columns(pd.DataFrame(rows, columns=columns)))
    write_manifest(path / "costs.csv", costs_of(systems, costs))
    compare(path / "scores.csv", path / "pairs.csv", costs=path / "costs.csv")
    summarise(path / "scores.csv", path / "summary.csv")
    latency = pd.DataFrame(times, columns=list(timed("denoised-net", 1.0)))
    write_manifest(path / "latency.csv", with_columns(latency))
    tables = [path / f"{name}.csv" for name in ("pairs", "summary", "costs", "latency")]
    answer(*tables, path / "answer.json")
    text = (path / "answer.json").read_text()
    return json.loads(text, parse_constant=pytest.fail)  # NaN is not JSON


@pytest.fixture
def noisy():
    return 3.6 + np.random.default_rng(0).normal(0, 2, COUNT)


@pytest.fixture
def change():
    """Zero on average, exactly; positive on half of the mixtures."""
    return np.tile([-1.0, 1.0], COUNT // 2)


def test_what_was_higher_is_said(tmp_path, noisy, change):
    result = answered(tmp_path, {DENOISED: noisy + 0.5 + change, NOISY: noisy})
    assert result["question"].endswith("?")
    sentence, size, caution = result["sentences"]
    assert size.startswith("The two are not of equal size and training compute (2.00 M and 1.00 M")
    assert sentence.startswith(
        "In this run denoising with net and separating with conv, trained on denoised mixtures,"
        " reached "
    )
    assert " dB: 0.50 dB higher (95 % interval 0.3" in sentence
    assert ", 200 mixtures, better on 50 % of them)." in sentence
    assert caution == CAUTION
    fact = result["facts"][0]
    assert (fact["kind"], fact["separator"], fact["denoiser"]) == ("matched", "conv", "net")
    assert fact["sentence"] == sentence
    assert fact["difference"] == pytest.approx(0.5)
    assert 0 < fact["low"] < 0.5 < fact["high"]


def test_what_was_lower_is_said(tmp_path, noisy, change):
    sentence, *_ = answered(tmp_path, {DENOISED: noisy - 0.5 + change, NOISY: noisy})["sentences"]
    assert " dB: 0.50 dB lower (95 % interval -0.6" in sentence


@pytest.mark.parametrize("gain", [-3.0, -0.5, 0.01, 0.5, 3.0])
def test_one_training_gives_no_verdict(tmp_path, noisy, change, gain):
    systems = {DENOISED: noisy + gain + change, NOISY: noisy}
    systems |= {"conv/clean/denoised-net": noisy + gain, "conv/clean/noisy": noisy}
    text = " ".join(answered(tmp_path, systems)["sentences"]).lower()
    assert text.count("in this run ") == 3 and CAUTION.lower() in text
    for word in ("helps", "hurts", "gains", "costs", "significant", "no measurable", "no differ"):
        assert word not in text


def test_clean_trained_separator_and_the_best(tmp_path, noisy, change):
    systems = {
        "conv/clean/clean": noisy + 9,
        "conv/clean/denoised-net": noisy + 1 + change,
        "conv/clean/noisy": noisy,
        DENOISED: noisy + 2 + change,
        NOISY: noisy + 0.5,
    }
    result = answered(tmp_path, systems)
    matched, _, cascade, clean, caution, best = result["sentences"]
    assert "separating with conv, trained on clean mixtures, reached" in cascade
    assert " dB: 0.50 dB higher" in cascade  # than the rival, which is the network of noisy ones
    assert " dB: 1.50 dB higher" in matched
    assert "the conv separator trained on clean mixtures reached" in clean
    assert "on mixtures denoised with net where it reached" in clean
    assert " dB on noisy ones: 1.00 dB higher" in clean
    assert "conv trained on mixtures denoised with net and given mixtures denoised" in best
    kinds = ["matched", "clean-cascade", "clean-trained", "caution", "best"]
    assert [fact["kind"] for fact in result["facts"]] == kinds and caution == CAUTION


def test_every_separator_and_denoiser(tmp_path, noisy, change):
    systems = {
        f"{separator}/{condition}/{condition}": noisy + change
        for separator in ("a", "b")
        for condition in ("noisy", "denoised-x", "denoised-y")
    }
    facts = answered(tmp_path, systems)["facts"]
    found = [(f["separator"], f["denoiser"]) for f in facts if f["kind"] == "matched"]
    assert found == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_missing_training_is_said(tmp_path, noisy):
    result = answered(tmp_path, {DENOISED: noisy, "conv/clean/clean": noisy})
    (sentence,) = result["sentences"]
    assert "cannot be answered" in sentence
    assert "add the conditions under separators:" in sentence
    assert "conv/clean/clean, conv/denoised-net/denoised-net" in sentence
    assert result["facts"][0]["kind"] == "unavailable"


def test_missing_metric_is_said(tmp_path, noisy):
    result = answered(tmp_path, {DENOISED: noisy, NOISY: noisy}, metric="stoi")
    assert "add si_sdr to evaluation.metrics" in result["sentences"][0]
    assert "separators:" not in result["sentences"][0]


def test_one_mixture_has_no_interval(tmp_path):
    result = answered(tmp_path, {DENOISED: [2.0], NOISY: [1.0]})
    sentence, *_ = result["sentences"]
    assert "1.00 dB higher" in sentence
    assert "(too few for an interval, 1 mixture, better on 100 % of them)" in sentence


def test_no_value_in_common_is_no_comparison(tmp_path):
    result = answered(tmp_path, {DENOISED: [np.nan, 1.0], NOISY: [1.0, np.nan]})
    assert "cannot be answered" in result["sentences"][0]


def test_the_latency_that_it_adds_is_said(tmp_path, noisy, change):
    others = [timed("denoised-other", 5.0), timed("net/noisy/noisy", 900.0)]
    times = [timed("denoised-net", milliseconds) for milliseconds in (70.0, 73.4, 500.0)]
    systems = {DENOISED: noisy + 0.5 + change, NOISY: noisy}
    result = answered(tmp_path, systems, times=others + times)
    sentence, *_ = result["sentences"]
    assert (
        " % of them); the denoiser alone takes 73 ms a mixture (median, 6.1 s of audio,"
        " CPU Intel Xeon, 1 thread)."
    ) in sentence
    fact, _ = result["facts"]
    assert fact["timings"] == [
        {
            "device": "CPU Intel Xeon",
            "threads": 1,
            "added_latency_ms": 73.4,
            "audio_seconds": 6.1,
            "files": 3,
        }
    ]


def test_latency_on_a_gpu_and_on_several_machines(tmp_path, noisy):
    systems = {DENOISED: noisy, NOISY: noisy}
    gpu = answered(tmp_path, systems, times=[timed("denoised-net", 4.25, "NVIDIA H200", 4)])
    assert "; the denoiser alone takes 4.2 ms a mixture" in gpu["sentences"][0]
    assert ", NVIDIA H200)." in gpu["sentences"][0]


def test_latencies_of_several_settings_are_not_one_figure(tmp_path, noisy):
    systems = {DENOISED: noisy, NOISY: noisy}
    times = [timed("denoised-net", 70.0, "CPU A", 1), timed("denoised-net", 72.0, "CPU A", 1)]
    times += [timed("denoised-net", 303.0, "CPU A", 2)]
    sentence, *_ = answered(tmp_path, systems, times=times)["sentences"]
    assert (
        "; the denoiser alone was timed under several settings: medians 71 ms (2 mixtures,"
        " 6.1 s of audio, CPU A, 1 thread) and 303 ms (1 mixture, 6.1 s of audio, CPU A,"
        " 2 threads)."
    ) in sentence


def test_a_denoiser_that_was_not_timed_adds_no_words(tmp_path, noisy):
    result = answered(
        tmp_path, {DENOISED: noisy, NOISY: noisy}, times=[timed("denoised-other", 5.0)]
    )
    assert "latency" not in result["sentences"][0]
    assert "timings" not in result["facts"][0]


def test_a_system_of_another_task_is_no_part_of_the_answer(tmp_path, noisy, change):
    systems = {DENOISED: noisy + 0.5 + change, NOISY: noisy}
    other = {
        f"target/conv/{name}/0/{name}": noisy + gain
        for name, gain in (("denoised-net", -9.0), ("noisy", 7.0))
    }
    result = answered(tmp_path, systems | other)
    assert [fact["kind"] for fact in result["facts"]] == ["matched", "caution"]
    assert result["facts"][0]["difference"] == pytest.approx(0.5)


JOINT = "joint/noisy/noisy"


@pytest.mark.parametrize("joint", [JOINT, "a_chain/noisy/noisy"])  # after and before its rival
def test_a_chain_is_held_against_a_direct_system_and_is_none(tmp_path, noisy, change, joint):
    systems = {joint: noisy + 0.5 + change, NOISY: noisy, DENOISED: noisy + 1 + change}
    costs = {joint: {"joint": True, "parameters": 2e6, "dev_si_sdri": 9.0}}
    result = answered(tmp_path, systems, costs=costs)
    matched, chain = (fact for fact in result["facts"] if "rival" in fact)
    assert (matched["kind"], matched["rival"]) == ("matched", "conv")  # though dev likes the chain
    assert (chain["kind"], chain["rival"]) == ("joint", "conv")
    assert chain["difference"] == pytest.approx(0.5) and chain["low"] < 0.5 < chain["high"]
    assert chain["mean_a"] - chain["mean_b"] == pytest.approx(0.5)
    assert chain["win_rate"] == pytest.approx(0.5)
    assert (chain["parameters_a"], chain["parameters_b"]) == (2e6, 1e6)
    name = joint.split("/")[0]
    assert f"In this run {name}, a denoiser and a separator trained together, reached" in str(
        result["sentences"]
    )
    assert " dB: 0.50 dB higher (95 % interval" in chain["sentence"]


AFTER = "conv/noisy/noisy--denoised-net"


def test_sources_that_are_denoised_are_held_against_a_direct_system(tmp_path, noisy, change):
    systems = {AFTER: noisy - 0.5 + change, NOISY: noisy, "deep/noisy/noisy": noisy + 1}
    systems |= {"conv/clean/noisy--denoised-net": noisy - 2, "conv/clean/noisy": noisy - 1}
    dear = {"multiply_adds": 2e8, "training_compute": 2e12, "dev_si_sdri": 2.0}
    times = [timed("denoised-net", 70.0), timed(AFTER, 300.0)]
    result = answered(tmp_path, systems, times=times, costs={"deep/noisy/noisy": dear})
    facts = [fact for fact in result["facts"] if "rival" in fact]
    found = [(f["kind"], f["separator"], f["denoiser"], f["trained_a"]) for f in facts]
    assert found == [("denoised-after", "conv", "net", each) for each in ("noisy", "clean")]
    assert facts[0]["rival"] == "deep" and facts[0]["difference"] == pytest.approx(-1.5)
    assert facts[0]["sentence"].startswith(
        "In this run separating with conv, trained on noisy mixtures, and denoising each of its"
        " outputs with net reached "
    )
    assert "where deep, which separates noisy mixtures directly, reached" in facts[0]["sentence"]
    assert "timings" not in facts[0]  # the denoiser of a mixture takes another time
    # That form is about the input of a separator.
    assert not any(fact["kind"] == "clean-trained" for fact in result["facts"])


def test_what_was_denoised_after_can_be_the_best(tmp_path, noisy, change):
    systems = {AFTER: noisy + 2 + change, NOISY: noisy, DENOISED: noisy + 1 + change}
    best = answered(tmp_path, systems)["sentences"][-1]
    assert "conv trained on noisy mixtures and given noisy mixtures, its outputs denoised" in best


def test_a_share_that_was_chosen_is_a_system_of_the_answer(tmp_path, noisy, change):
    shared, cascade = "conv/denoised-net/denoised-net-dry30", "conv/clean/denoised-net-dry100"
    systems = {DENOISED: noisy - 1 + change, shared: noisy + 0.5 + change, NOISY: noisy}
    systems |= {cascade: noisy - 3 + change, "conv/clean/noisy": noisy}
    times = [timed("denoised-net", 70.0)]
    result = answered(tmp_path, systems, times=times)
    kinds = [fact["kind"] for fact in result["facts"]]
    assert kinds == ["matched", *["observation-adding"] * 2, "caution", "best"]
    _, first, second, *_, best = result["facts"]
    assert (first["share"], second["share"]) == (30, 100)
    assert first["difference"] == pytest.approx(0.5) and first["rival"] == "conv"
    assert first["sentence"].startswith(
        "In this run denoising with net, adding 30 % of the mixture back (the best on dev), and"
        " separating with conv, trained on denoised mixtures, reached "
    )
    assert "; the denoiser alone takes 70 ms" in first["sentence"]
    assert "trained on clean mixtures, reached" in second["sentence"]
    assert "given mixtures denoised with net (with 30 % of the noisy one): " in best["sentence"]


def test_an_oracle_is_neither_compared_nor_the_best(tmp_path, noisy, change):
    systems = {DENOISED: noisy + 1 + change, NOISY: noisy, AFTER: noisy + change}
    plain = answered(tmp_path, systems)
    assert answered(tmp_path, systems | {"ideal_mask": noisy + 9}) == plain


def test_a_chain_alone_has_no_rival(tmp_path, noisy):
    result = answered(tmp_path, {JOINT: noisy}, costs={JOINT: {"joint": True}})
    assert result["facts"][0]["kind"] == "unavailable"
