"""The three measures of an estimate: metrics of its signal, DNSMOS, errors of a recogniser.

A measure is opened once in a job, and is then a function of one item of a score table. The measure
of signals can be sent to other processes; the others hold a model, which stays in its process.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import Measure, Metric
from pipeline.evaluation.counting import counting
from pipeline.evaluation.dnsmos import DNSMOS_METRICS, open_dnsmos
from pipeline.evaluation.hearing import hear
from pipeline.evaluation.metrics import Signals, score_item
from pipeline.evaluation.references import read_references
from pipeline.evaluation.speech_recognition import open_recogniser
from pipeline.evaluation.undefined import NO_OUTPUT, NO_TEXT, SILENT_ESTIMATE, why_undefined
from pipeline.evaluation.word_errors import (
    CP_ERROR_RATE,
    ERROR_RATES,
    cp_error_rate,
    error_rates,
)


class Item(NamedTuple):
    """Sources of a mixture and their estimates, in the same order.

    `references` and `estimates` are `[sources, time]`, `files` are the files of the estimates.
    `speakers` `[speakers, time]` and `noise` `[time]` are the parts of the mixture. A system that
    finds out how many speakers there are has `found` a number of them: the estimate of one that it
    missed is silent, its file empty, and `extra` are the files of outputs without a speaker.
    """

    mixture_id: str
    sources: list[str]
    references: Signals
    estimates: Signals
    files: list[str]
    speakers: Signals
    noise: Signals
    found: int | None = None
    extra: tuple[str, ...] = ()


class Score(NamedTuple):
    """One value; `undefined` says why it is NaN, and is empty otherwise."""

    source: str
    metric: str
    value: float
    undefined: str = ""


Measuring = Callable[[Item], Iterator[Score]]

ALL_SPEAKERS = "mix_clean"
"""The source of a value of all speakers together, as in the scores of denoisers."""


def open_measure(name: Measure, sample_rate: int, **settings: Any) -> Measuring:
    """Load the model of a measure, if it has one, and return the function that computes it.

    Args:
        name: `signal`, `dnsmos` or `asr`.
        sample_rate: Hz, of references and estimates.
        **settings: those that `Evaluation.settings_of` returns; and for `asr`, `references`, the
            file that `write_references` wrote.
    """
    return OPENERS[name](sample_rate, **settings)


def _signal(sample_rate: int, metrics: list[Metric]) -> Measuring:
    return partial(_measure_signal, sample_rate, metrics)  # can be pickled for workers


def _measure_signal(sample_rate: int, metrics: list[Metric], item: Item) -> Iterator[Score]:
    mixed = item.speakers, item.noise
    scores = score_item(item.references, item.estimates, sample_rate, metrics, *mixed)
    for metric, values in scores.items():
        each = zip(item.sources, values, item.files, item.references, item.estimates, strict=True)
        for source, value, file, reference, estimate in each:
            if not math.isnan(value):
                why = ""
            elif file:
                why = why_undefined(metric, reference, estimate, sample_rate)
            else:
                why = NO_OUTPUT
            yield Score(source, metric, value, why)
    if item.found is not None:
        for metric, value in counting(len(item.sources), item.found).items():
            yield Score(ALL_SPEAKERS, metric, value)


def _dnsmos(sample_rate: int) -> Measuring:
    """The measure DNSMOS, which uses the estimates alone and no clean source."""
    rate = open_dnsmos()

    @lru_cache(maxsize=1)  # the mixture appears once for each of its sources
    def rated(file: str) -> dict[str, float] | None:
        samples = hear(file, sample_rate)
        return None if samples is None else rate(samples)

    def measure(item: Item) -> Iterator[Score]:
        for source, file in zip(item.sources, item.files, strict=True):
            values, why = (rated(file), SILENT_ESTIMATE) if file else (None, NO_OUTPUT)
            yield from _scores(source, DNSMOS_METRICS, values, why)

    return measure


def _asr(sample_rate: int, references: Path, engine: str, model: str | None) -> Measuring:
    """The measure of word errors. A silent estimate has no words, so that all words are missed.

    So are those of a speaker without an output. The words of outputs without a speaker count in
    cpWER.

    The words of a signal of all speakers, such as a denoiser's output, are compared with those of
    each speaker. A file that is there for several sources, as the mixture is, is one stream of
    words for cpWER.
    """
    said = read_references(references)
    recognise = open_recogniser(engine, model)

    def recognised(file: str) -> str:
        samples = hear(file, sample_rate) if file else None
        return "" if samples is None else recognise(samples)

    def measure(item: Item) -> Iterator[Score]:
        texts = said[item.mixture_id]
        streams = {file: recognised(file) for file in dict.fromkeys((*item.files, *item.extra))}
        mixed = item.sources == [ALL_SPEAKERS]
        speakers = list(texts) if mixed else item.sources
        files = item.files * len(speakers) if mixed else item.files
        for speaker, file in zip(speakers, files, strict=True):
            rates = error_rates(texts[speaker], streams[file])
            yield from _scores(speaker, ERROR_RATES, rates, NO_TEXT)
        together = cp_error_rate([texts[name] for name in speakers], list(streams.values()))
        found = None if together is None else {CP_ERROR_RATE: together}
        yield from _scores(ALL_SPEAKERS, [CP_ERROR_RATE], found, NO_TEXT)

    return measure


def _scores(
    source: str, metrics: Iterable[str], values: dict[str, float] | None, why: str
) -> Iterator[Score]:
    """The values of one source, or the reason why it has none."""
    for metric in metrics:
        found = (math.nan, why) if values is None else (values[metric], "")
        yield Score(source, metric, *found)


OPENERS: dict[Measure, Callable[..., Measuring]] = {
    "signal": _signal,
    "dnsmos": _dnsmos,
    "asr": _asr,
}
