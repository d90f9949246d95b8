"""Who speaks when: stretches of speech in each of several streams, found as the samples arrive."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples

FRAME = 0.02  # s
QUIET_DB = 35.0  # below the loudest frame of all so far, a frame is a pause
LEAK_DB = 12.0  # below the loudest stream at that time, a frame is what leaks from there
SMOOTH = 5  # frames over which levels are averaged before they are compared
PAUSE = 0.3  # s: shorter pauses are part of a stretch
LONGEST = 4.0  # s: a longer stretch is cut at its quietest frame, as speakers may change in it
SHORTEST = 0.2  # s: less speech than this says nothing of the voice
QUIETEST = 1e-8  # power that is always a pause: -80 dBFS


class Stretch(NamedTuple):
    """Speech of one stream from one frame to another; `joined` if no pause is before it."""

    stream: int
    begin: int
    end: int
    joined: bool


class Activity:
    """Finds stretches of speech by their energy.

    A frame is speech where its power is within 35 dB of the loudest frame so far, and, averaged
    over 0.1 s, within 12 dB of that of the loudest stream: what a separator leaves of a speaker in
    other streams is no speech. Stretches end where 0.3 s of pause are seen, or after 4 s.
    """

    def __init__(self, streams: int) -> None:
        self._loudest = QUIETEST * 10 ** (QUIET_DB / 10)
        self._recent: deque[NDArray[np.float64]] = deque(maxlen=SMOOTH)
        self._open: list[_Open | None] = [None] * streams
        self._ends = [-(10**9)] * streams  # of the last stretch of each stream
        self.frame = 0

    @property
    def earliest(self) -> int:
        """The frame before which no stretch to come can begin."""
        return min((one.begin for one in self._open if one), default=self.frame)

    def feed(self, frames: Samples) -> list[Stretch]:
        """Stretches that end with the next frames, `[streams, frames, samples]`."""
        powers = np.square(frames, dtype=np.float64).mean(axis=2).T
        return [one for power in powers for one in self._step(power)]

    def finish(self) -> list[Stretch]:
        """Stretches that end with the recording."""
        return [self._close(s, one.end) for s, one in enumerate(self._open) if one]

    def _step(self, power: NDArray[np.float64]) -> list[Stretch]:
        self._recent.append(power)
        self._loudest = max(self._loudest, power.max())
        smooth = np.mean(self._recent, axis=0)
        loud = power > self._loudest * 10 ** (-QUIET_DB / 10)
        speech = loud & (smooth >= smooth.max() * 10 ** (-LEAK_DB / 10))
        done = [
            stretch
            for stream, (spoken, level) in enumerate(zip(speech, power, strict=True))
            for stretch in self._step_of(stream, bool(spoken), float(level))
        ]
        self.frame += 1
        return done

    def _step_of(self, stream: int, spoken: bool, level: float) -> list[Stretch]:
        one = self._open[stream]
        if one is None:
            if spoken:
                joined = self._ends[stream] == self.frame
                self._open[stream] = _Open(self.frame, self.frame + 1, joined, [level])
            return []
        one.levels.append(level)
        if spoken:
            one.end = self.frame + 1
        if self.frame + 1 - one.end >= PAUSE / FRAME:
            return [self._close(stream, one.end)]
        if self.frame + 1 - one.begin < LONGEST / FRAME:
            return []
        half = len(one.levels) // 2  # not too near the begin
        cut = one.begin + half + int(np.argmin(one.levels[half:]))
        rest, end = one.levels[cut - one.begin :], one.end
        done = self._close(stream, cut)
        self._open[stream] = _Open(cut, max(end, cut + 1), True, rest)
        return [done]

    def _close(self, stream: int, end: int) -> Stretch:
        one = self._open[stream]
        assert one is not None
        self._open[stream], self._ends[stream] = None, end
        return Stretch(stream, one.begin, end, one.joined)


class _Open:
    """A stretch that has not ended: `end` is behind its last frame of speech so far."""

    def __init__(self, begin: int, end: int, joined: bool, levels: list[float]) -> None:
        self.begin, self.end, self.joined, self.levels = begin, end, joined, levels
