"""The three measures of an estimate: metrics of its signal, DNSMOS, errors of a recogniser.

Each is opened once a job and is then a function of one item of a score table. That of signals can
be sent to other processes; the others hold a model, which stays where it was opened.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import Measure, Metric, SpeechRecognition
from pipeline.evaluation.dnsmos import DNSMOS_METRICS, open_dnsmos
from pipeline.evaluation.hearing import hear
from pipeline.evaluation.metrics import Signals, score_item
from pipeline.evaluation.references import read_references
from pipeline.evaluation.speech_recognition import ERROR_RATES, error_rates, open_recogniser
from pipeline.evaluation.undefined import NO_TEXT, SILENT_ESTIMATE, why_undefined


class Item(NamedTuple):
    """Sources of a mixture and their estimates, in the same order.

    `references` and `estimates` are `[sources, time]`, `files` those of the estimates.
    """

    mixture_id: str
    sources: list[str]
    references: Signals
    estimates: Signals
    files: list[str]


class Score(NamedTuple):
    """One value, and why it is NaN where it is."""

    source: str
    metric: str
    value: float
    undefined: str = ""


Measuring = Callable[[Item], Iterator[Score]]


def open_measure(name: Measure, sample_rate: int, **settings: Any) -> Measuring:
    """Load what a measure needs.

    Args:
        name: `signal`, `dnsmos` or `asr`.
        sample_rate: Hz, of references and estimates.
        **settings: what `Evaluation.settings_of` says of it; and for `asr`, `references`, the
            texts that `write_references` wrote.
    """
    return OPENERS[name](sample_rate, **settings)


def _signal(sample_rate: int, metrics: list[Metric]) -> Measuring:
    return partial(_measure_signal, sample_rate, metrics)  # which workers can be sent


def _measure_signal(sample_rate: int, metrics: list[Metric], item: Item) -> Iterator[Score]:
    scores = score_item(item.references, item.estimates, sample_rate, metrics)
    for metric, values in scores.items():
        each = zip(item.sources, values, item.references, item.estimates, strict=True)
        for source, value, reference, estimate in each:
            defined = not math.isnan(value)
            why = "" if defined else why_undefined(metric, reference, estimate, sample_rate)
            yield Score(source, metric, value, why)


def _dnsmos(sample_rate: int) -> Measuring:
    """Of estimates alone: the clean sources are not looked at."""
    rate = open_dnsmos()

    @lru_cache(maxsize=1)  # the mixture stands for each of its sources
    def rated(file: str) -> dict[str, float] | None:
        heard = hear(file, sample_rate)
        return None if heard is None else rate(heard)

    def measure(item: Item) -> Iterator[Score]:
        for source, file in zip(item.sources, item.files, strict=True):
            yield from _scores(source, DNSMOS_METRICS, rated(file), SILENT_ESTIMATE)

    return measure


def _asr(sample_rate: int, references: Path, **recogniser: Any) -> Measuring:
    """Of one speaker at a time. A silent estimate has no words: all of them are missed."""
    said = read_references(references)
    recognise = open_recogniser(SpeechRecognition(**recogniser))

    @lru_cache(maxsize=1)  # the mixture stands for each of its sources
    def recognised(file: str) -> str:
        heard = hear(file, sample_rate)
        return "" if heard is None else recognise(heard)

    def measure(item: Item) -> Iterator[Score]:
        for source, file in zip(item.sources, item.files, strict=True):
            rates = error_rates(said[item.mixture_id, source], recognised(file))
            yield from _scores(source, ERROR_RATES, rates, NO_TEXT)

    return measure


def _scores(
    source: str, metrics: Iterable[str], values: dict[str, float] | None, why: str
) -> Iterator[Score]:
    """The values of one source, or why there are none."""
    for metric in metrics:
        found = (math.nan, why) if values is None else (values[metric], "")
        yield Score(source, metric, *found)


OPENERS: dict[Measure, Callable[..., Measuring]] = {
    "signal": _signal,
    "dnsmos": _dnsmos,
    "asr": _asr,
}
