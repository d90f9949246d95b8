"""STOI and ESTOI, equal to pystoi's, with all frames of a step at once and shared first steps.

Taal et al. 2011 (doi:10.1109/TASL.2011.2114881), Jensen & Taal 2016
(doi:10.1109/TASLP.2016.2585878). The resampling filter, the bands and the constants are pystoi's;
both measures compare `Envelopes`.
"""

from functools import cache
from math import ceil, gcd
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pystoi.stoi import BETA, DYN_RANGE, FS, N_FRAME, NFFT, OBM, N
from pystoi.utils import EPS, resample_oct

Array = NDArray[np.float64]

HOP = N_FRAME // 2
SHORTEST = (N_FRAME + N * HOP + 1) / FS
"""Seconds of the shortest signal that has more than 30 frames."""

WINDOW = np.hanning(N_FRAME + 2)[1:-1]


class Envelopes(NamedTuple):
    """Third-octave envelopes of a reference and its estimate, `[bands, frames]` each."""

    reference: Array
    estimate: Array

    def segments(self) -> tuple[Array, Array]:
        """Return both in all segments of 30 frames, `[bands, segments, 30]`, read-only views."""
        return sliding_window_view(self.reference, N, 1), sliding_window_view(self.estimate, N, 1)


def envelopes(reference: Array, estimate: Array, sample_rate: int) -> Envelopes | None:
    """Return envelopes without frames in which the reference is silent; None for 30 or fewer.

    X_j(m) is the root of the power of frame m in third-octave band j. A frame is silent if its
    level is 40 dB below that of the loudest one.

    Args:
        reference: `[time]`.
        estimate: `[time]`, of the same length.
        sample_rate: Hz, of both.
    """
    both = _resample(np.stack([reference, estimate]), sample_rate)
    if both.shape[1] <= N_FRAME:
        return None
    frames = _frames(both)
    levels = 20 * np.log10(np.linalg.norm(frames[0], axis=-1) + EPS)
    kept = levels > levels.max() - DYN_RANGE
    if kept.sum() <= N:  # a frame is lost as they are cut again
        return None
    frames = _frames(_overlap_add(frames[:, kept]))
    spectra = np.fft.rfft(frames, NFFT)
    powers = spectra.real**2 + spectra.imag**2
    return Envelopes(*np.sqrt(powers @ OBM.T).swapaxes(1, 2).copy())


def stoi(compared: Envelopes) -> float:
    """Return the mean correlation of envelopes in short segments (Taal et al. 2011).

    With segments x of the reference and y of the estimate in one band, `[30]` each, it is the mean
    of corr(x, y') over bands and segments, where y' = min(y ‖x‖ / ‖y‖, (1 + 10^(15 / 20)) x).
    """
    reference, estimate = compared.segments()
    gain = _norm(reference) / (_norm(estimate) + EPS)
    clipped = np.minimum(estimate * gain, reference * (1 + 10 ** (-BETA / 20)))
    return float(np.einsum("bsn,bsn->bs", _normal(clipped), _normal(reference)).mean())


def estoi(compared: Envelopes) -> float:
    """Return the mean spectral correlation of short segments (Jensen & Taal 2016).

    The segments, `[bands, 30]`, are normalised to mean 0 and norm 1 over time and then over bands;
    ESTOI is the mean inner product of the spectra of reference and estimate.
    """
    reference, estimate = (_normal(_normal(signal), 0) for signal in compared.segments())
    return float(np.einsum("bsn,bsn->s", reference, estimate).mean() / N)


def _resample(signals: Array, sample_rate: int) -> Array:
    """Resample `[signals, time]` from `sample_rate` to STOI's 10 kHz.

    pystoi's filter is applied block by block, as a product with a matrix.
    """
    block, context, responses = _filter(sample_rate)
    length, blocks = signals.shape[1], -(-signals.shape[1] // block)
    padded = np.pad(signals, ((0, 0), (context, context + blocks * block - length)))
    windows = sliding_window_view(padded, block + 2 * context, 1)[:, ::block]
    found = (windows.reshape(-1, windows.shape[2]) @ responses).reshape(len(signals), -1)
    return found[:, : ceil(length * FS / sample_rate)]


@cache
def _filter(sample_rate: int) -> tuple[int, int, Array]:
    """Return the samples of a block and of its context, and the responses of the filter.

    The responses to an impulse at each sample are `[context + block + context, samples at 10 kHz]`.
    The filter reaches 37 samples of the lower rate to both sides.
    """
    common = gcd(sample_rate, FS)
    up, down = FS // common, sample_rate // common
    context = down * ceil(37 * max(up, down) / (up * down))
    block = down * ceil(64 / down)
    responses = resample_oct(np.eye(block + 2 * context), FS, sample_rate)
    begin, end = (at * up // down for at in (context, context + block))
    return block, context, responses[begin:end].T.copy()


def _frames(signals: Array) -> Array:
    """Cut `[signals, time]` into windowed `[signals, frames, 256]`; none ends with the signal."""
    return sliding_window_view(signals, N_FRAME, 1)[:, :-1:HOP] * WINDOW


def _overlap_add(frames: Array) -> Array:
    """Add up overlapping frames: `[signals, frames, 256]` to `[signals, time]`."""
    halves = np.pad(frames[..., :HOP], ((0, 0), (0, 1), (0, 0)))
    halves[:, 1:] += frames[..., HOP:]
    return halves.reshape(len(frames), -1)


def _normal(segments: Array, axis: int = -1) -> Array:
    """Scale to mean 0 and norm 1 along an axis; zeros where nothing varies."""
    centred = segments - segments.mean(axis, keepdims=True)
    return centred / (_norm(centred, axis) + EPS)


def _norm(segments: Array, axis: int = -1) -> Array:
    return np.linalg.norm(segments, axis=axis, keepdims=True)


MEASURES = {"stoi": stoi, "estoi": estoi}
