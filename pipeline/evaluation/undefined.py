"""The reasons why a metric of signals has no value, in words for tables and the report."""

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.bss_eval import FILTER_TAPS
from pipeline.evaluation.metrics import silent

SILENT_REFERENCE = "the reference is silent"
SILENT_ESTIMATE = "the estimate is silent"
SILENT_EITHER = "the reference or the estimate is silent"
NO_BASELINE = "the unprocessed mixture's value is undefined"
NO_OUTPUT = "no output has this speaker"
NO_TEXT = "the reference text is empty"

SHORTEST_PESQ = 0.25
"""Length in seconds of the shortest signal that the code of PESQ accepts."""

Signal = NDArray[np.float64]


def why_undefined(metric: str, reference: Signal, estimate: Signal, sample_rate: int) -> str:
    """Return the reason for a NaN of `metrics.score_item`.

    Args:
        metric: name as in the configuration.
        reference: the true source, `[time]`.
        estimate: its estimate, `[time]`.
        sample_rate: Hz.
    """
    if silent(reference):
        return SILENT_REFERENCE
    if silent(estimate):
        return SILENT_ESTIMATE
    seconds = len(reference) / sample_rate
    if metric in ("sdr", "sir", "sar"):
        short = len(reference) < FILTER_TAPS
        return "too short for BSS Eval" if short else "no other reference sounds"
    if metric in ("stoi", "estoi"):
        from pipeline.evaluation.intelligibility import SHORTEST

        return "too short for STOI" if seconds < SHORTEST else "too little speech"
    return "too short for PESQ" if seconds < SHORTEST_PESQ else "no utterance found"
