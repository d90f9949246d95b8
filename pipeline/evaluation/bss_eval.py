"""The shares of an estimate that shifts of the references explain, for the ratios of BSS Eval.

Vincent et al. 2006 (doi:10.1109/TSA.2005.858005), computed as squared cosines (Scheibler 2021,
arXiv:2110.06440). The explained share is b·x with R x = b, where R holds the correlations of all
shifts of all references, and b their correlations with the estimate.

fast_bss_eval factorises R, whose side is sources times taps. Different speakers are nearly
uncorrelated: here only the blocks of each source's own shifts are factorised, and conjugate
gradients (Golub & Van Loan, Matrix Computations, 11.5) find the rest from there in a few steps.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, toeplitz

Array = NDArray[np.float64]

FILTER_TAPS = 512
"""Length of the distortion filter that BSS Eval allows."""

LOAD = 1e-12
"""Share of a reference's energy that is added to the diagonal of R, so that R is regular for
identical or narrow-band references. It changes no value below 80 dB by more than 1e-3 dB."""

ACCURACY = 1e-13
"""Largest remaining error, relative to the share that is unexplained or explained by other
sources. The steps see little of the difference of nearly equal references, so it must be small."""

MOST_STEPS = 40
"""Speech takes 10 to 17 steps. Very similar references need more, and are solved directly."""

PIECE = 4096
"""Samples of each Fourier transform from which correlations are summed."""


def square_cosines(references: Array, estimates: Array) -> tuple[Array, Array]:
    """Return the shares of each estimate's energy that its own and all references' shifts explain.

    The share cos² = ‖P ŝ‖² / ‖ŝ‖² belongs to the projection P on the shifts s(t − τ), 0 ≤ τ < 512.

    Args:
        references: true sources, none of them all zeros, `[sources, time]`.
        estimates: estimates in the same order, none of them all zeros, `[sources, time]`.

    Returns:
        two arrays `[sources]`, within 0…1 except for rounding.
    """
    try:
        found = _by_steps(*_correlations(_unit(references), _unit(estimates)))
    except LinAlgError:  # rounding makes a block singular
        found = None
    return found or _directly(references, estimates)


@np.errstate(divide="ignore", invalid="ignore")  # 0 / 0 leads to None
def _by_steps(auto: Array, cross: Array) -> tuple[Array, Array] | None:
    """Both shares from the correlations of `_correlations`; None if the steps do not suffice."""
    correlate, solve_blocks = _product(auto), _block_solver(auto)
    start = np.zeros_like(cross)
    same = np.arange(len(auto))
    start[same, same] = solve_blocks(cross)[same, same]
    own = explained = _inner(cross, start)
    rest = cross - correlate(start)
    step = better = solve_blocks(rest)
    left = _inner(rest, better)
    for _ in range(MOST_STEPS):
        told_apart = np.minimum(1 - explained, explained - own)
        if (left <= ACCURACY * np.maximum(told_apart, LOAD)).all():
            return own, explained
        image = correlate(step)
        length = left / _inner(step, image)
        explained = explained + length * left
        rest = rest - length[:, None, None] * image
        better = solve_blocks(rest)
        before, left = left, _inner(rest, better)
        step = better + (left / before)[:, None, None] * step
    return None


def _directly(references: Array, estimates: Array) -> tuple[Array, Array]:
    # The import is here since the package imports torch, which takes seconds and is rarely needed.
    from fast_bss_eval.numpy.metrics import square_cosine_metrics

    own, explained = square_cosine_metrics(
        references, estimates, filter_length=FILTER_TAPS, load_diag=LOAD
    )
    return np.diag(own), np.diag(explained)


def _correlations(references: Array, estimates: Array) -> tuple[Array, Array]:
    """Correlations of references with references, and of estimates with references.

    Σ_t r_i[t] r_j[t + lag] `[i, j, lag]`, and Σ_t r_i[t] e_j[t + lag] `[j, i, lag]`.
    """
    hop = PIECE - FILTER_TAPS
    pieces = -(-references.shape[-1] // hop)
    padding = pieces * hop + FILTER_TAPS - references.shape[-1]
    signals = np.pad(np.concatenate([references, estimates]), ((0, 0), (0, padding)))
    long = sliding_window_view(signals, PIECE, axis=-1)[:, ::hop]
    short = long[: len(references), :, :hop]
    pieces_of = np.fft.rfft(short, PIECE).conj().transpose(2, 0, 1)
    spectra = pieces_of @ np.fft.rfft(long).transpose(2, 1, 0)
    lags = np.fft.irfft(spectra.transpose(1, 2, 0), PIECE)[..., :FILTER_TAPS]
    auto, cross = np.split(lags, [len(references)], axis=1)
    same = np.arange(len(references))
    auto[same, same, 0] += LOAD
    return auto, cross.swapaxes(0, 1)


def _product(auto: Array) -> Callable[[Array], Array]:
    """Function that multiplies R by `[estimates, sources, taps]`, by FFTs of twice the taps."""
    negative = auto.swapaxes(0, 1)[..., :0:-1]
    circulants = np.concatenate([auto, np.zeros_like(auto[..., :1]), negative], axis=-1)
    spectra = np.fft.rfft(circulants).transpose(2, 0, 1)

    def product(vectors: Array) -> Array:
        found = spectra @ np.fft.rfft(vectors, 2 * FILTER_TAPS).T
        return np.fft.irfft(found.T, 2 * FILTER_TAPS)[..., :FILTER_TAPS]

    return product


def _block_solver(auto: Array) -> Callable[[Array], Array]:
    """Function that solves for each source as if it were alone: `[estimates, sources, taps]`."""
    blocks = [cho_factor(toeplitz(own), check_finite=False) for own in np.einsum("sst->st", auto)]

    def solve(right: Array) -> Array:
        each = zip(blocks, right.swapaxes(0, 1), strict=True)
        return np.stack([cho_solve(block, r.T, check_finite=False).T for block, r in each], axis=1)

    return solve


def _inner(left: Array, right: Array) -> Array:
    """Inner products `[estimates]` of two arrays `[estimates, sources, taps]`."""
    return np.einsum("est,est->e", left, right)


def _unit(signals: Array) -> Array:
    return signals / np.linalg.norm(signals, axis=-1, keepdims=True)
