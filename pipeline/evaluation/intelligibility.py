"""STOI and ESTOI as pystoi gives them, with all frames of a step at once, and the first steps once.

Taal et al. 2011 (doi:10.1109/TASL.2011.2114881), Jensen & Taal 2016
(doi:10.1109/TASLP.2016.2585878). The filter that changes the rate, the bands and the constants
are pystoi's; `Envelopes` are what both measures compare.
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
    """Of a reference and its estimate in third-octave bands, `[bands, frames]` each."""

    reference: Array
    estimate: Array

    def segments(self) -> tuple[Array, Array]:
        """Both, in all segments of 30 frames: `[bands, segments, 30]`, not to be written to."""
        return sliding_window_view(self.reference, N, 1), sliding_window_view(self.estimate, N, 1)


def envelopes(reference: Array, estimate: Array, sample_rate: int) -> Envelopes | None:
    """Without the frames in which the reference is silent; None if 30 or fewer are left.

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
    """Correlation of the bands in short segments, the estimate's scaled and clipped (2011)."""
    reference, estimate = compared.segments()
    gain = _norm(reference) / (_norm(estimate) + EPS)
    clipped = np.minimum(estimate * gain, reference * (1 + 10 ** (-BETA / 20)))
    return float(np.einsum("bsn,bsn->bs", _normal(clipped), _normal(reference)).mean())


def estoi(compared: Envelopes) -> float:
    """Correlation of the spectra in short segments, normalised in time and then in bands (2016)."""
    reference, estimate = (_normal(_normal(signal), 0) for signal in compared.segments())
    return float(np.einsum("bsn,bsn->s", reference, estimate).mean() / N)


def _resample(signals: Array, sample_rate: int) -> Array:
    """From `[signals, time]` at `sample_rate` to STOI's 10 kHz.

    pystoi's filter, which goes through a signal block by block, as a product with a matrix.
    """
    block, context, responses = _filter(sample_rate)
    length, blocks = signals.shape[1], -(-signals.shape[1] // block)
    padded = np.pad(signals, ((0, 0), (context, context + blocks * block - length)))
    windows = sliding_window_view(padded, block + 2 * context, 1)[:, ::block]
    found = (windows.reshape(-1, windows.shape[2]) @ responses).reshape(len(signals), -1)
    return found[:, : ceil(length * FS / sample_rate)]


@cache
def _filter(sample_rate: int) -> tuple[int, int, Array]:
    """Samples of a block, and beside it, and what an impulse at each of them gives of the block.

    The last is `[context + block + context, samples at 10 kHz]`. The filter reaches 37 samples of
    the lower rate to both sides.
    """
    common = gcd(sample_rate, FS)
    up, down = FS // common, sample_rate // common
    context = down * ceil(37 * max(up, down) / (up * down))
    block = down * ceil(64 / down)
    responses = resample_oct(np.eye(block + 2 * context), FS, sample_rate)
    begin, end = (at * up // down for at in (context, context + block))
    return block, context, responses[begin:end].T.copy()


def _frames(signals: Array) -> Array:
    """Windowed frames: `[signals, time]` to `[signals, frames, 256]`; none ends with the signal."""
    return sliding_window_view(signals, N_FRAME, 1)[:, :-1:HOP] * WINDOW


def _overlap_add(frames: Array) -> Array:
    """`[signals, frames, 256]` to `[signals, time]`."""
    halves = np.pad(frames[..., :HOP], ((0, 0), (0, 1), (0, 0)))
    halves[:, 1:] += frames[..., HOP:]
    return halves.reshape(len(frames), -1)


def _normal(segments: Array, axis: int = -1) -> Array:
    """Of mean 0 and norm 1 along an axis; zeros where nothing varies."""
    centred = segments - segments.mean(axis, keepdims=True)
    return centred / (_norm(centred, axis) + EPS)


def _norm(segments: Array, axis: int = -1) -> Array:
    return np.linalg.norm(segments, axis=axis, keepdims=True)
