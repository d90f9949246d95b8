"""Metrics of separation and enhancement on arrays `[sources, time]`; undefined values are NaN.

`undefined.py` gives the reasons for undefined values. A single source has no SIR, because there is
no interferer.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import pesq as pypesq
from numpy.typing import NDArray

from pipeline.config import Metric
from pipeline.evaluation.bss_eval import FILTER_TAPS, square_cosines
from pipeline.evaluation.counting import EXTRA, MISSED
from pipeline.evaluation.error_parts import split_error

Array = NDArray[np.float64]
Signals = NDArray[Any]
"""Real samples `[sources, time]`."""

EPSILON = 1e-12
"""Share of the estimate's energy that is added to both sides of a ratio: keeps dB within ±120."""

SILENCE = 1e-8
"""RMS (full scale is 1) at and below which a signal, its mean removed, is silent: -160 dBFS."""

LONGEST_PESQ = 20.0
"""Longest signal in seconds given to PESQ whole: its C code crashes above 50 utterances."""

INTELLIGIBILITY = ("stoi", "estoi")

ERROR_PARTS = ("e_interf", "e_noise", "e_artif")

LOWER_IS_BETTER = frozenset({"wer", "cer", "cpwer", *ERROR_PARTS, MISSED, EXTRA})
"""Those of all metrics of a score table that measure errors."""


class Bss(NamedTuple):
    """BSS Eval ratios in dB, each `[sources]`."""

    sdr: Array
    sir: Array
    sar: Array


def si_sdr(reference: Signals, estimate: Signals) -> Array:
    """Scale-invariant SDR in dB, means removed (Le Roux et al. 2019, arXiv:1811.02508).

    SI-SDR = 10 lg(‖α s‖² / ‖ŝ − α s‖²) with α = ⟨ŝ, s⟩ / ‖s‖², for a source s and its estimate ŝ.

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.

    Returns:
        `[sources]`, within ±120 dB (see `EPSILON`); NaN where either signal is silent.

    >>> si_sdr(np.array([[1, -1, 1, -1]]), np.array([[4, -2, 2, -4]])).round(2)  # 10 lg 9
    array([9.54])
    """
    cosines = np.einsum("st,st->s", _unit(reference), _unit(estimate))
    return _decibels(cosines**2)


def snr(reference: Signals, estimate: Signals) -> Array:
    """Signal-to-noise ratio in dB, means removed: 10 lg(‖s‖² / ‖ŝ − s‖²).

    Unlike SI-SDR it falls where the scale of the estimate is wrong.

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.

    Returns:
        `[sources]`, within ±120 dB; NaN where either signal is silent.

    >>> snr(np.array([[1, -1, 1, -1]]), np.array([[0.9, -0.9, 0.9, -0.9]])).round(2)
    array([20.])
    """
    error = estimate.astype(np.float64) - reference
    signal, noise = (np.var(signals, axis=-1, dtype=np.float64) for signals in (reference, error))
    undefined = silent(reference) | silent(estimate)
    return _decibels(signal / np.where(undefined, np.nan, signal + noise))


def permutation(reference: Signals, estimate: Signals) -> NDArray[np.intp]:
    """Return the order of the estimates with the highest mean SI-SDR: `estimate[order]` is aligned.

    Silent estimates are assigned to silent references first, so that the fewest values are
    undefined. The assignment problem is solved by the Hungarian method.

    Args:
        reference: `[sources, time]`.
        estimate: `[sources, time]`, or more than sources, of which the best are chosen.

    >>> signals = np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    >>> permutation(signals, signals[::-1])
    array([1, 0])
    """
    return matching(reference, estimate)[1]


def matching(reference: Signals, estimate: Signals) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of references and estimates with the highest sum of SI-SDR.

    As `permutation`, but the numbers of both may differ: there are as many pairs as the smaller.

    Args:
        reference: `[sources, time]`.
        estimate: `[estimates, time]`.

    Returns:
        The references of the pairs in ascending order, and their estimates: `[pairs]` each.

    >>> signals = np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    >>> matching(signals, signals[1:])
    (array([1]), array([0]))
    """
    from scipy.optimize import linear_sum_assignment

    pairwise = _decibels((_unit(reference) @ _unit(estimate).T) ** 2)
    return linear_sum_assignment(np.nan_to_num(pairwise, nan=-1e6), maximize=True)


def bss(reference: Signals, estimate: Signals) -> Bss:
    """SDR, SIR and SAR in dB (BSS Eval, Vincent et al. 2006, doi:10.1109/TSA.2005.858005).

    With the estimate split into target, interference and artefacts, ŝ = t + i + a,

        SDR = 10 lg(‖t‖² / ‖i + a‖²), SIR = 10 lg(‖t‖² / ‖i‖²), SAR = 10 lg(‖t + i‖² / ‖a‖²):

    t is the projection of ŝ on the shifts of its source, t + i that on the shifts of all sources
    (see `bss_eval`).

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.

    Returns:
        Three `[sources]`, within ±120 dB. Silent references are left out of the subspace
        on which the estimates are projected. SIR is NaN if only one reference is not silent.
    """
    values = np.full((3, len(reference)), np.nan)
    sounding = ~silent(reference)
    if sounding.any() and reference.shape[-1] >= FILTER_TAPS:
        values[:, sounding] = _bss(reference[sounding], estimate[sounding])
    values[:, silent(estimate)] = np.nan
    return Bss(*values)


def intelligibility(
    reference: Signals, estimate: Signals, sample_rate: int, metrics: Collection[str]
) -> dict[str, Array]:
    """Compute STOI, 0…1 (Taal et al. 2011), and ESTOI (Jensen & Taal 2016), as requested.

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.
        sample_rate: Hz.
        metrics: names, `stoi` and `estoi`; they share the first steps.

    Returns:
        `[sources]` for each; NaN where 30 frames or fewer hold speech.
    """
    # Here, since it takes half a second, and many jobs score nothing.
    from pipeline.evaluation.intelligibility import MEASURES, envelopes

    wanted = [name for name in INTELLIGIBILITY if name in metrics]
    values = np.full((len(wanted), len(reference)), np.nan)
    for place, one, other in _sounding(reference, estimate):
        if compared := envelopes(one, other, sample_rate):
            values[:, place] = [MEASURES[name](compared) for name in wanted]
    return dict(zip(wanted, values, strict=True))


def pesq(reference: Signals, estimate: Signals, sample_rate: int) -> Array:
    """PESQ as MOS-LQO (ITU-T P.862.1, P.862.2), narrow band at 8000 Hz, wide band at 16000 Hz.

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.
        sample_rate: 8000 or 16000 Hz.

    Returns:
        `[sources]`; the mean over equal pieces for signals above `LONGEST_PESQ`. NaN where either
        signal is silent or PESQ finds no utterance.
    """
    mode = {8000: "nb", 16000: "wb"}[sample_rate]
    pieces = int(np.ceil(reference.shape[-1] / (LONGEST_PESQ * sample_rate)))

    values = np.full(len(reference), np.nan)
    for place, one, other in _sounding(reference, estimate):
        cut = zip(np.array_split(one, pieces), np.array_split(other, pieces), strict=True)
        values[place] = _nanmean([_pesq(*pair, sample_rate, mode) for pair in cut])
    return values


def silent(signals: Signals) -> NDArray[np.bool_]:
    """Return whether signals `[..., time]`, their mean removed, are at or below `SILENCE`: `[...]`.

    >>> silent(np.array([[0.5, 0.5], [0.5, -0.5]]))
    array([ True, False])
    """
    return signals.astype(np.float64).std(axis=-1) <= SILENCE


def error_parts(
    reference: Signals, estimate: Signals, speakers: Signals, noise: Signals
) -> dict[str, Array]:
    """Interference, noise and artifacts in dB, relative to the target (see `split_error`).

    10 lg(‖e‖² / ‖P_s ŝ‖²) for each part e of the error. Its three powers add up to that of the
    SI-SDR, 10^(−SI-SDR / 10).

    Args:
        reference: true sources, `[sources, time]`.
        estimate: estimates in the same order, `[sources, time]`.
        speakers: all speakers of the mixture, `[speakers, time]`.
        noise: its noise, `[time]`.

    Returns:
        `[sources]` for each of `ERROR_PARTS`, within ±120 dB; NaN where either signal is silent.
    """
    values = np.full((len(ERROR_PARTS), len(reference)), np.nan)
    for place, one, other in _sounding(reference, estimate):
        target, *parts = split_error(one, other, speakers, noise)
        values[:, place] = _decibels(np.divide(parts, target + np.array(parts)))
    return dict(zip(ERROR_PARTS, values, strict=True))


def score_item(
    references: Signals,
    estimates: Signals,
    sample_rate: int,
    metrics: Collection[Metric],
    speakers: Signals,
    noise: Signals,
) -> dict[str, list[float]]:
    """Score one mixture with the requested metrics.

    Args:
        references: true sources, `[sources, time]`.
        estimates: estimates in the same order (see `permutation`), `[sources, time]`.
        sample_rate: 8000 or 16000 Hz.
        metrics: names as in the configuration.
        speakers: all speakers of the mixture, `[speakers, time]`.
        noise: its noise, `[time]`.

    Returns:
        One value per reference for each metric, in the order of the references. The scores of a
        single source have no `sir`.
    """
    wanted = [m for m in metrics if m != "sir" or len(references) > 1]
    values: dict[str, Array] = {}
    if {"sdr", "sir", "sar"}.intersection(wanted):
        values |= bss(references, estimates)._asdict()
    if "si_sdr" in wanted:
        values["si_sdr"] = si_sdr(references, estimates)
    if "snr" in wanted:
        values["snr"] = snr(references, estimates)
    if set(ERROR_PARTS).intersection(wanted):
        values |= error_parts(references, estimates, speakers, noise)
    if set(INTELLIGIBILITY).intersection(wanted):
        values |= intelligibility(references, estimates, sample_rate, wanted)
    if "pesq" in wanted:
        values["pesq"] = pesq(references, estimates, sample_rate)
    return {name: values[name].tolist() for name in wanted}


# The estimate is the sum of its projection on the reference (or on all its shifts) and an
# orthogonal residual. The projection holds the share c = cos² of the estimate's energy, the
# residual the share 1 - c, so that every ratio here is c / (1 - c).
def _decibels(cos_squared: Array) -> Array:
    explained = np.clip(cos_squared, 0, 1)  # rounding can exceed either bound
    return 10 * np.log10((explained + EPSILON) / (1 - explained + EPSILON))


def _bss(reference: Array, estimate: Array) -> Array:
    """BSS Eval ratios `[3, sources]`, for references that are not silent."""
    own, every = square_cosines(
        reference.astype(np.float64), _or_noise(estimate.astype(np.float64))
    )
    sir = _decibels(own / every) if len(reference) > 1 else np.full(1, np.nan)
    return np.stack([_decibels(own), sir, _decibels(every)])


def _or_noise(estimate: Array) -> Array:
    """Replace silent estimates, whose ratios would be 0 / 0, by an impulse."""
    filled = estimate.copy()
    filled[silent(estimate)] = np.eye(1, estimate.shape[-1])
    return filled


def _sounding(reference: Signals, estimate: Signals) -> Iterator[tuple[int, Array, Array]]:
    """The pairs without a silent signal: their index, and both signals `[time]`."""
    for place in np.flatnonzero(~silent(reference) & ~silent(estimate)):
        yield int(place), reference[place].astype(np.float64), estimate[place].astype(np.float64)


def _pesq(reference: Array, estimate: Array, sample_rate: int, mode: str) -> float:
    if silent(np.stack([reference, estimate])).any():  # a piece of a longer signal
        return np.nan
    try:
        return float(pypesq.pesq(sample_rate, reference, estimate, mode))
    except (pypesq.NoUtterancesError, pypesq.BufferTooShortError):
        return np.nan


def _nanmean(values: list[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else np.nan


def _unit(signals: Signals) -> Array:
    """Remove the mean and scale to unit energy; NaN where silent."""
    centred = signals - signals.mean(axis=-1, keepdims=True, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    norm[silent(signals)] = np.nan
    return centred / norm
