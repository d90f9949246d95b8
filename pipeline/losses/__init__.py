"""Losses and their registry: `TERMS` has the terms by their names in the configuration.

An extension adds its own (`docs/extending.md`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.base.errors import PipelineError, first_few
from pipeline.config import Config
from pipeline.config.problems import describe_problems
from pipeline.losses.absent import level
from pipeline.losses.spectral import MULTI_RESOLUTION_STFT
from pipeline.losses.term import Settable, Term
from pipeline.losses.waveform import l1, neg_si_sdr, neg_snr, pairwise_neg_si_sdr
from pipeline.tasks import TASKS

SI_SDR_FLOOR = -30.0  # dB: what is separated this well teaches nothing more

TERMS: dict[str, Term | Settable] = {
    "snr": Term(neg_snr, absent=level),
    "si_sdr": Term(neg_si_sdr, pairwise_neg_si_sdr, SI_SDR_FLOOR, absent=level),
    "l1": Term(l1),
    "multi_resolution_stft": MULTI_RESOLUTION_STFT,
}

OURS = dict(TERMS)
"""The terms that no extension has added or replaced."""


class Weighted(NamedTuple):
    """A term of a loss, its name in the configuration, and its weight."""

    name: str
    term: Term
    weight: float


def parse_terms(given: Mapping[str, Any], sample_rate: int, prefix: str = "") -> list[Weighted]:
    """Build the terms of a loss.

    Args:
        given: from the name of a term to its weight, or to its `weight` (1 if it is left out) and
            arguments.
        sample_rate: of the signals, in Hz.
        prefix: the key of the loss in the configuration, with a trailing dot, for errors.

    Raises:
        PipelineError: no such term, or an unknown or ill-typed argument.
    """
    return list(_parsed(given, sample_rate, prefix))


def _parsed(given: Mapping[str, Any], sample_rate: int, prefix: str) -> Iterator[Weighted]:
    for name, value in given.items():
        if name not in TERMS:
            raise PipelineError(f"{prefix}{name}: is no term; allowed: {', '.join(TERMS)}")
        arguments = dict(value) if isinstance(value, Mapping) else {"weight": value}
        weight, term = arguments.pop("weight", 1), TERMS[name]
        if isinstance(term, Settable):
            term = _built(term, arguments, sample_rate, f"{prefix}{name}.")
        elif arguments:
            raise PipelineError(f"{prefix}{name}: takes only a weight; leave {min(arguments)} out")
        yield Weighted(name, term, weight)


def _built(term: Settable, arguments: dict[str, Any], sample_rate: int, prefix: str) -> Term:
    try:
        return term.build(term.arguments(**arguments), sample_rate)
    except ValidationError as error:
        problems = describe_problems(error, term.arguments, prefix)
        raise PipelineError(first_few(list(problems))) from error


def check_losses(config: Config) -> None:
    """Check the loss of every network before anything is computed.

    Raises:
        PipelineError: one line that names the key.
    """
    for task in TASKS.values():
        for name in getattr(config, task.section):
            given = config.training_of(task.section, name).loss or task.loss
            parse_terms(given, config.sample_rate, f"config: {task.section}.{name}.training.loss.")
