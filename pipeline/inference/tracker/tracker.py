"""Streams in, one stream for each speaker out, as the samples arrive."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples
from pipeline.inference.tracker.activity import FRAME, SHORTEST, Activity, Stretch
from pipeline.inference.tracker.decisions import Decisions
from pipeline.inference.tracker.voices import embed, scatter, space

HELD = 15.0  # s that are held back, so that later speech can tell whose the earlier one was
BLOCK = 50  # frames that are taken at once
AROUND = 25  # frames before and after a stretch, its soft begin and end, that are taken with it

Order = NDArray[np.intp]
"""The stream of each speaker, `[speakers]`."""


class Tracker:
    """Puts streams together again so that each keeps its speaker.

    Stretches of speech (`Activity`) are assigned to speakers (`Decisions`) by their voices
    (`embed`), those at the same time to different ones. At every moment the outputs are the
    streams in some order; where it changes, they are cross-faded over a frame. As many speakers
    are kept apart as there are streams. Memory does not grow with the length of a recording: at
    most about 20 s of the streams are held. The output does not depend on how they are divided.

    Args:
        streams: number of them.
        sample_rate: Hz.
    """

    def __init__(self, streams: int, sample_rate: int) -> None:
        self._rate, self._size = sample_rate, round(FRAME * sample_rate)
        self._activity, self._decisions = Activity(streams), Decisions(streams, space().spread)
        self._held = np.zeros((streams, 0), np.float32)
        self._first = 0  # frame that `_held` begins with
        self._order: Order = np.arange(streams)  # in the last settled frame

    def feed(self, samples: Samples) -> Samples:
        """What is settled by the next samples of the streams: both `[streams, time]`."""
        self._held = np.concatenate([self._held, samples], axis=1)
        parts = [self._held[:, :0]]
        while self._unseen >= BLOCK * self._size:
            self._see(BLOCK)
            now = self._activity.frame - round(HELD / FRAME)
            parts.append(self._settle(min(now, self._activity.earliest - AROUND)))
        return np.concatenate(parts, axis=1)

    def finish(self) -> Samples:
        """What is left when the recording ends, `[streams, time]`."""
        length = self._held.shape[1]
        rest = -(-self._unseen // self._size)
        missing = max(0, self._unseen_start + rest * self._size - length)
        self._held = np.pad(self._held, ((0, 0), (0, missing)))
        self._see(rest)
        self._take(self._activity.finish())
        return self._settle(self._activity.frame)[:, :length]

    @property
    def _unseen_start(self) -> int:
        return (self._activity.frame - self._first) * self._size

    @property
    def _unseen(self) -> int:
        return self._held.shape[1] - self._unseen_start

    def _see(self, frames: int) -> None:
        block = self._held[:, self._unseen_start :][:, : frames * self._size]
        self._take(self._activity.feed(block.reshape(len(block), frames, self._size)))

    def _take(self, stretches: list[Stretch]) -> None:
        for one in stretches:
            seconds = (one.end - one.begin) * FRAME
            begin, end = ((at - self._first) * self._size for at in (one.begin, one.end))
            said = self._held[one.stream, begin:end]
            place = embed(said, self._rate) if seconds >= SHORTEST else None
            self._decisions.add(one, place, scatter(seconds))

    def _settle(self, frame: int) -> Samples:
        """The outputs up to a frame, `[streams, time]`."""
        count = frame - self._first
        if count <= 0:
            return self._held[:, :0]
        before = self._order
        orders = self._orders(self._decisions.settle(frame + AROUND), frame)
        settled = self._held[:, : count * self._size].reshape(len(self._held), count, self._size)
        self._held, self._first = self._held[:, count * self._size :], frame
        return _ordered(settled, orders, before).reshape(len(settled), -1)

    def _orders(self, said: list[tuple[Stretch, int]], frame: int) -> NDArray[np.intp]:
        """The order of the streams in each frame up to one, `[frames, speakers]`."""
        windows = _windows(said)
        bounds = {bound for begin, end, *_ in windows for bound in (begin, end)}
        bounds |= {bound for one, _ in said for bound in (one.begin, one.end)}
        inner = sorted(bound for bound in bounds if self._first < bound < frame)
        parts = []
        for begin, end in pairwise([self._first, *inner, frame]):
            self._order = _order(self._order, windows, begin)
            parts.append(np.tile(self._order, (end - begin, 1)))
        return np.concatenate(parts)


Window = tuple[int, int, Stretch, int]
"""First frame, frame behind the last, the stretch they are around, and its speaker."""


def _windows(said: list[tuple[Stretch, int]]) -> list[Window]:
    """Stretches with some frames around them, at most half of the pause between two of a stream."""
    windows: list[Window] = []
    for stream in {one.stream for one, _ in said}:
        own = sorted((pair for pair in said if pair[0].stream == stream), key=lambda p: p[0].begin)
        middles = [(a.end + b.begin) // 2 for (a, _), (b, _) in pairwise(own)]
        lows, highs = [own[0][0].begin - AROUND, *middles], [*middles, own[-1][0].end + AROUND]
        for (one, speaker), low, high in zip(own, lows, highs, strict=True):
            begin, end = max(one.begin - AROUND, low), min(one.end + AROUND, high)
            windows.append((begin, end, one, speaker))
    return windows


def _order(before: Order, windows: list[Window], frame: int) -> Order:
    """The order in a frame: speakers have the streams in which they speak, others keep theirs.

    Where two streams have one speaker, the one that speaks in this frame counts more than one
    that is before or behind a stretch, then the one that began later.
    """
    here = [window for window in windows if window[0] <= frame < window[1]]
    here.sort(key=lambda w: (w[2].begin <= frame < w[2].end, w[2].begin), reverse=True)
    order = np.full(len(before), -1, np.intp)
    for _, _, one, speaker in here:
        if order[speaker] < 0 and one.stream not in order:
            order[speaker] = one.stream
    for speaker, stream in enumerate(before):
        if order[speaker] < 0 and stream not in order:
            order[speaker] = stream
    left = [stream for stream in range(len(before)) if stream not in order]
    order[order < 0] = left
    return order


def _ordered(streams: Samples, orders: NDArray[np.intp], before: Order) -> Samples:
    """Put `[streams, frames, samples]` in the order of each frame, `[frames, streams]`.

    A frame whose order is another than that of the frame before is faded from the one to the other.
    """
    frames = np.arange(len(orders))
    ordered = streams[orders.T, frames]
    earlier = np.concatenate([before[None], orders[:-1]])
    changed = np.flatnonzero((orders != earlier).any(axis=1))
    ramp = np.linspace(0, 1, streams.shape[2], dtype=np.float32)
    old = streams[earlier[changed].T, changed]
    ordered[:, changed] = old * (1 - ramp) + ordered[:, changed] * ramp
    return ordered
