"""The answer of a run without separators."""

import pytest
from evaluation.test_repeats import MIXTURES, answered

from pipeline.evaluation.best_denoiser import best_denoiser


def row(name, mean, low=None, high=None, missing=0):
    counted = {"mean": mean, "low": low, "high": high, "mixtures": 30, "missing": missing}
    return {"task": "denoise", "name": name} | counted


def pair(a, b, difference, low, high, p_value=None):
    ends = {"low": low, "high": high, "p_value": p_value, "confidence": 0.95}
    return {"task": "denoise", "name_a": a, "name_b": b, "difference": difference} | ends


def said(rows, pairs=(), trainings=1):
    [fact] = best_denoiser(list(pairs), rows, trainings)
    return fact["sentence"]


def test_one_denoiser():
    rows = [row("mixture", 9.0), row("demucs", 2.5, 2.0, 3.0)]
    assert (
        said(rows)
        == "In this run demucs reached an SI-SDRi of 2.50 dB (2.00 to 3.00, 30 mixtures)."
    )


def test_once_the_next_is_named_without_a_verdict():
    rows = [row("a", 1.0, 0.5, 1.5), row("b", 3.0, 2.0, 4.0), row("c", 2.5, 2.0, 3.0)]
    pairs = [pair("b", "c", 0.5, 0.1, 0.9), pair("a", "b", -2.0, -2.5, -1.5)]
    assert said(rows, pairs) == (
        "In this run b reached the highest SI-SDRi of 3 denoisers: 3.00 dB (2.00 to 4.00, 30"
        " mixtures); next is c (0.50 dB lower, 95 % interval -0.90 to -0.10)."
    )


def test_several_trainings_give_a_verdict_on_each_other():
    rows = [row("a", 3.0, 2.0, 4.0), row("b", 2.9, 2.0, 4.0), row("c", 1.0, 0.0, 2.0)]
    pairs = [pair("b", "c", 1.9, 1.0, 2.0, 0.01), pair("a", "c", 2.0, 1.0, 3.0, 0.001)]
    pairs += [pair("a", "b", 0.1, -0.3, 0.5, 0.6)]
    assert said(rows, pairs, 3) == (
        "Over 3 trainings a reached the highest SI-SDRi of 3 denoisers: 3.00 dB (2.00 to 4.00, 30"
        " mixtures). It is better than c, and is not shown to be better than b (0.10 dB lower,"
        " 95 % interval -0.50 to 0.30); p values are adjusted for 3 pairs."
    )


def test_differences_are_those_of_the_best_to_the_others():
    pairs = [pair("a", "b", -2.0, -2.5, -1.0, 0.02)]
    [fact] = best_denoiser(pairs, [row("a", 1.0), row("b", 3.0)], 3)
    [other] = fact["others"]
    assert (fact["denoiser"], other["denoiser"]) == ("b", "a")
    assert (other["difference"], other["low"], other["high"]) == (2.0, 1.0, 2.5)
    assert other["shown"]


def test_p_values_count_all_pairs():
    rows = [row(name, mean) for name, mean in (("a", 3.0), ("b", 2.0), ("c", 1.0))]
    close = [pair("a", "b", 1.0, 0.1, 1.9, 0.02)]
    many = [*close, pair("a", "c", 2.0, 1.0, 3.0, 0.03), pair("b", "c", 1.0, 0.1, 1.9, 0.04)]
    [one], [three] = (best_denoiser(pairs, rows, 3) for pairs in (close, many))
    assert one["others"][0]["shown"] and not three["others"][0]["shown"]
    assert three["others"][0]["p_value_adjusted"] == pytest.approx(0.06)


def test_a_p_value_of_zero_is_the_surest():
    rows, pairs = [row("a", 3.0), row("b", 1.0)], [pair("a", "b", 2.0, 1.9, 2.1, 0.0)]
    [fact] = best_denoiser(pairs, rows, 3)
    assert fact["others"][0]["shown"]


def test_a_denoiser_without_some_values_stands_last():
    """Its mean is over the easy mixtures; on those of both it is lower."""
    rows = [row("a", 5.9, missing=60), row("b", 4.0)]
    pairs = [pair("a", "b", -0.5, -0.6, -0.4, 0.001)]
    text = said(rows, pairs, 3)
    assert " b reached the highest " in text and "It is better than a." in text
    assert text.endswith("Without a value on some mixtures, and so ranked last: a.")


def test_no_verdict_is_against_the_paired_difference():
    rows = [row("a", 3.0), row("b", 2.0)]
    text = said(rows, [pair("a", "b", -1.5, -2.0, -1.0, 1e-5)], 3)
    assert "not shown to be better than b (1.50 dB higher, on the mixtures of both" in text


def test_published_networks_have_no_trainings():
    rows, pairs = [row("a", 3.0), row("b", 1.0)], [pair("a", "b", 2.0, 1.9, 2.1, 0.01)]
    [fact] = best_denoiser(pairs, rows, 3, trained=False)
    assert fact["sentence"].startswith("In this run a reached")
    assert fact["sentence"].endswith("It is better than b.")


def test_without_values_there_is_no_fact():
    assert best_denoiser([], [row("a", None), row("mixture", 1.0)], 1) == []


def test_an_answer_of_scores(tmp_path):
    systems = {"denoised-good": [4.0, 4.1, 3.9], "denoised-bad": [3.0, 3.05, 2.95]}
    found = answered(tmp_path, systems)
    assert found["question"] == "Which denoiser is the best?"
    [sentence] = found["sentences"]
    assert sentence.endswith(f", {MIXTURES} mixtures). It is better than bad.")
    once = answered(tmp_path, {name: means[:1] for name, means in systems.items()}, trainings=1)
    assert once["sentences"][0].startswith("In this run good reached ") and len(once["facts"]) == 2
