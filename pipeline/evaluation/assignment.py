"""Whether each stream keeps its speaker over a long recording: speech in the wrong stream."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.audio import Samples

BLOCK = 0.2  # s
PAUSE_DB = 40.0  # a block this far below the loudest one of its source is a pause
RIDGE = 1e-6  # added to the normal equations, relative to their largest diagonal element

Array = NDArray[np.float64]


class Assignment(NamedTuple):
    """How the speech of the sources is spread over the streams.

    Attributes:
        speech: s of speech of all sources.
        wrong: s of it in another stream than the source's own.
        joints: number of places where pieces were joined.
        wrong_joints: of these, those across which a source changes its stream.
    """

    speech: float
    wrong: float
    joints: int
    wrong_joints: int


def assignment(
    sources: Samples, streams: Samples, sample_rate: int, joints: Sequence[int] = ()
) -> Assignment:
    """Compare the streams of a whole recording with its sources, both `[sources, time]`.

    In blocks of 0.2 s each stream is projected on all sources at once; a source that speaks in a
    block is in the stream with the largest share of it. Speech of a source is wrong where this is
    not the source's own stream. Streams are given to sources so that as much speech as possible is
    right over the whole recording. A joint is wrong if a source that speaks in the pieces on both
    sides has another stream in the one, given by the same rule, than in the other.

    Args:
        sources: the true ones.
        streams: estimates of comparable level.
        sample_rate: Hz.
        joints: samples at which pieces are joined, in order.
    """
    size = round(BLOCK * sample_rate)
    speaks, where = _placed(_blocks(sources, size), _blocks(streams, size))
    own = _own(_counts(speaks, where))
    wrong = speaks & (where != own[:, None])
    bounds = [0, *(round(joint / size) for joint in joints), speaks.shape[1]]
    pieces = [_counts(speaks[:, a:b], where[:, a:b]) for a, b in pairwise(bounds)]
    changed = sum(_differ(before, after) for before, after in pairwise(pieces))
    return Assignment(speaks.sum() * BLOCK, wrong.sum() * BLOCK, len(joints), changed)


def _blocks(signals: Samples, size: int) -> Array:
    """Signals `[signals, time]` as `[blocks, signals, size]`; a rest at the end is left out."""
    blocks = signals.shape[1] // size
    cut = signals[:, : blocks * size].astype(np.float64)
    return cut.reshape(len(signals), blocks, size).swapaxes(0, 1)


def _placed(sources: Array, streams: Array) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Whether each source speaks in each block, and the stream it is in: `[sources, blocks]`."""
    products = sources @ sources.swapaxes(1, 2)
    powers = np.einsum("bkk->kb", products)
    loudest = powers.max(axis=1, keepdims=True)
    speaks = (powers > loudest * 10 ** (-PAUSE_DB / 10)) & (powers > 0)
    largest = np.maximum(powers.max(axis=0), np.finfo(np.float64).tiny)
    ridge = RIDGE * largest[:, None, None] * np.eye(sources.shape[1])
    shares = np.linalg.solve(products + ridge, sources @ streams.swapaxes(1, 2))
    return speaks, shares.argmax(axis=2).T


def _counts(speaks: NDArray[np.bool_], where: NDArray[np.intp]) -> NDArray[np.intp]:
    """Blocks of speech of each source in each stream, `[sources, streams]`."""
    streams = np.arange(len(speaks))
    return ((where[:, :, None] == streams) & speaks[:, :, None]).sum(axis=1)


def _own(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """The stream of each source, so that most blocks are right: `[sources]`."""
    return linear_sum_assignment(-counts)[1]


def _differ(before: NDArray[np.intp], after: NDArray[np.intp]) -> bool:
    """Whether a source that speaks in both pieces has another stream in the second."""
    both = (before.sum(axis=1) > 0) & (after.sum(axis=1) > 0)
    return bool((_own(before) != _own(after))[both].any())
