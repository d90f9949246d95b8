"""The comparisons of an answer in words."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pipeline.evaluation.best_denoiser import counted
from pipeline.evaluation.rivals import sizes
from pipeline.tasks.grammar import Condition

Fact = dict[str, Any]

VERDICTS = {
    **{word: word for word in ("", "helps", "hurts")},
    "no difference": "makes no difference of {margin:g} dB or more",
    "not decided": "is not shown to help or to hurt",
}
SENTENCES = {
    "rival": (
        "In this run denoising with {denoiser} and separating with {separator}, trained on"
        " {trained_on} mixtures, reached {mean_a:.2f} dB SI-SDRi where {rival}, which separates"
        " noisy mixtures directly, reached {mean_b:.2f} dB: {change} ({evidence}){cost}."
    ),
    "joint": (
        "In this run {separator}, a denoiser and a separator trained together, reached"
        " {mean_a:.2f} dB SI-SDRi where {rival}, which separates noisy mixtures directly, reached"
        " {mean_b:.2f} dB: {change} ({evidence})."
    ),
    "observation-adding": (
        "In this run denoising with {denoiser}, adding {share} % of the mixture back (the best on"
        " dev), and separating with {separator}, trained on {trained_on} mixtures, reached"
        " {mean_a:.2f} dB SI-SDRi where {rival}, which separates noisy mixtures directly, reached"
        " {mean_b:.2f} dB: {change} ({evidence}){cost}."
    ),
    "denoised-after": (
        "In this run separating with {separator}, trained on {trained_on} mixtures, and denoising"
        " each of its outputs with {denoiser} reached {mean_a:.2f} dB SI-SDRi where {rival}, which"
        " separates noisy mixtures directly, reached {mean_b:.2f} dB: {change} ({evidence})."
    ),
    "clean-trained": (
        "In this run the {separator} separator trained on clean mixtures reached {mean_a:.2f} dB"
        " SI-SDRi on mixtures denoised with {denoiser} where it reached {mean_b:.2f} dB on noisy"
        " ones: {change} ({evidence}){cost}."
    ),
}
# Of several trainings, with a verdict.
REPEATED = {
    "rival": (
        "Denoising first with {denoiser} {verdict}: over {trainings} trainings {separator},"
        " trained on {trained_on} mixtures, reached {mean_a:.2f} dB SI-SDRi where {rival}, which"
        " separates noisy mixtures directly, reached {mean_b:.2f} dB, {change}"
        " ({evidence}){cost}."
    ),
    "joint": (
        "Denoising and separating in one network {verdict}: over {trainings} trainings {separator}"
        " reached {mean_a:.2f} dB SI-SDRi where {rival}, which separates noisy mixtures directly,"
        " reached {mean_b:.2f} dB, {change} ({evidence})."
    ),
    "observation-adding": (
        "Denoising first with {denoiser} and adding {share} % of the mixture back (the best on dev)"
        " {verdict}: over {trainings} trainings {separator}, trained on {trained_on} mixtures,"
        " reached {mean_a:.2f} dB SI-SDRi where {rival}, which separates noisy mixtures directly,"
        " reached {mean_b:.2f} dB, {change} ({evidence}){cost}."
    ),
    "denoised-after": (
        "Separating first and denoising each source with {denoiser} {verdict}: over {trainings}"
        " trainings {separator}, trained on {trained_on} mixtures, reached {mean_a:.2f} dB SI-SDRi"
        " in this way where {rival}, which separates noisy mixtures directly, reached {mean_b:.2f}"
        " dB, {change} ({evidence})."
    ),
    "clean-trained": (
        "For the {separator} separator trained on clean mixtures, denoising its input with"
        " {denoiser} {verdict}: over {trainings} trainings it reached {mean_a:.2f} dB SI-SDRi on"
        " denoised mixtures where it reached {mean_b:.2f} dB on noisy ones, {change}"
        " ({evidence}){cost}."
    ),
}
MOST = 3
"""Comparisons that differ in nothing but the denoiser have a sentence each, up to this many."""
ALIKE = ("kind", "separator", "rival", "trained_a", "trainings", "verdict")


def sentence_of(fact: Fact, margin: float, comparisons: int) -> str:
    """A comparison in a sentence; `comparisons` is the number that its p value is adjusted for."""
    sentences = SENTENCES if fact["trainings"] == 1 else REPEATED
    words = {"change": _change(fact), "evidence": _evidence(fact, comparisons), "cost": _cost(fact)}
    said = {"verdict": VERDICTS[fact.get("verdict", "")].format(margin=margin)}
    said["trained_on"] = Condition.parse(fact["trained_a"]).kind
    form = "rival" if fact["kind"] in ("matched", "clean-cascade") else fact["kind"]
    return sentences[form].format(**fact | words | said)


def sentences_of(facts: Sequence[Fact]) -> Iterator[str]:
    """The sentences of all facts, and of the rivals of cascades.

    Of many denoisers with one verdict the first has a sentence, and the others are told together.
    """
    for _, group in groupby(facts, lambda fact: [fact.get(name) for name in ALIKE]):
        alike = list(group)
        told = alike[:1] if len(alike) > MOST else alike
        for fact in told:
            yield fact["sentence"]
            if "chosen" in fact:
                yield f"{sizes(fact)} {fact['chosen']}".strip()
        if others := alike[len(told) :]:
            yield _together(others)


def _together(facts: list[Fact]) -> str:
    each = ", ".join(f"{fact['denoiser']} ({_change(fact)}{_interval(fact)})" for fact in facts)
    return f"{'The same holds of' if 'verdict' in facts[0] else 'With others:'} {each}."


def _interval(fact: Fact) -> str:
    return "" if fact["low"] is None else f", {fact['low']:.2f} to {fact['high']:.2f}"


def _change(fact: Fact) -> str:
    direction = "higher" if fact["difference"] > 0 else "lower"
    return f"{abs(fact['difference']):.2f} dB {direction}"


def _evidence(pair: Fact, comparisons: int) -> str:
    interval = "too few for an interval"
    if pair["low"] is not None:
        percent = f"{100 * pair['confidence']:g} %"
        interval = f"{percent} interval {pair['low']:.2f} to {pair['high']:.2f}"
    if comparisons > 1 and "p_value_adjusted" in pair:
        interval += f", p {pair['p_value_adjusted']:.2g} adjusted for {comparisons} comparisons"
    better = f"better on {100 * pair['win_rate']:.0f} % of them"
    return f"{interval}, {counted(pair['mixtures'])}, {better}"


def _cost(pair: Fact) -> str:
    timings = pair.get("timings", [])
    if not timings:
        return ""
    if len(timings) == 1:
        [(cost, where)] = map(_timing, timings)
        if "rival" in pair:  # whose own network takes time too
            return f"; the denoiser alone takes {cost} a mixture (median, {where})"
        return f", at {cost} of added latency a mixture (median, {where})"
    each = " and ".join(
        f"{cost} ({counted(timing['files'])}, {where})"
        for timing, (cost, where) in zip(timings, map(_timing, timings), strict=True)
    )
    what = "; the denoiser alone" if "rival" in pair else ", at an added latency that"
    return f"{what} was timed under several settings: medians {each}"


def _timing(timing: Fact) -> tuple[str, str]:
    """Milliseconds in words, and of what and where they were measured."""
    where = timing["device"]
    if where.startswith("CPU"):  # the time of a GPU hardly depends on them
        where += ", 1 thread" if timing["threads"] == 1 else f", {timing['threads']} threads"
    digits = 0 if timing["added_latency_ms"] >= 10 else 1
    cost = f"{timing['added_latency_ms']:.{digits}f} ms"
    return cost, f"{timing['audio_seconds']:.1f} s of audio, {where}"
