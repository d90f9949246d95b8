"""The error of an estimate, split by its cause: other speakers, noise, and artifacts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEPENDENT = 1e-6
"""A signal of which less than this remains beside those before it (RMS, relative) adds nothing."""


def split_error(
    reference: NDArray[Any], estimate: NDArray[Any], speakers: NDArray[Any], noise: NDArray[Any]
) -> Array:
    """Return the energies of target, interference, noise and artifacts in an estimate: `[4]`.

    Orthogonal projections, means removed (Iwamoto et al. 2022, arXiv:2201.06685, equations 5 to 8;
    gains in place of filters, as in SI-SDR). With P_s on the reference, P_S on it and all speakers,
    and P_N on these and the noise,

        target = P_s ŝ, interference = P_S ŝ − P_s ŝ, noise = P_N ŝ − P_S ŝ, artifacts = ŝ − P_N ŝ.

    The last three are orthogonal: their energies add up to that of the error ŝ − P_s ŝ of SI-SDR.

    Args:
        reference: the true source, `[time]`.
        estimate: its estimate, `[time]`.
        speakers: all speakers of the mixture, `[speakers, time]`.
        noise: the noise of the mixture, `[time]`.

    >>> basis = 4 * np.eye(8)[[0, 2, 4, 6]] - 4 * np.eye(8)[[1, 3, 5, 7]]  # orthogonal, no mean
    >>> split_error(basis[0], basis.T @ [4, 3, 2, 1], basis[:2], basis[2]) / 32
    array([16.,  9.,  4.,  1.])
    """
    estimate = _centred(estimate)
    signals = _centred(np.stack([reference, *speakers, noise]))
    found = (_directions(signals) @ estimate) ** 2
    energies = [found[0], found[1:-1].sum(), found[-1]]
    return np.array([*energies, max(estimate @ estimate - found.sum(), 0.0)])


def _centred(signals: NDArray[Any]) -> Array:
    return signals.astype(np.float64) - signals.mean(axis=-1, keepdims=True, dtype=np.float64)


def _directions(signals: Array) -> Array:
    """The new direction of each signal, orthogonal to those before it: `[signals, time]`.

    Zeros for a signal that is silent, or a sum of those before it. (A QR would give such a signal
    a direction at random, to which those after it then are orthogonal.)
    """
    directions = np.zeros_like(signals)
    for place, signal in enumerate(signals):
        rest, before = signal / max(np.linalg.norm(signal), 1e-300), directions[:place]
        for _ in range(2):  # the second time removes the rounding of the first
            rest = rest - (before @ rest) @ before
        size = np.linalg.norm(rest)
        if size > DEPENDENT:
            directions[place] = rest / size
    return directions
