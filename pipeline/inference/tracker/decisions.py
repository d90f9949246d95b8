"""Which speaker says what: the likeliest of many assignments of stretches to speakers.

Voices follow the two-covariance model (Brümmer & de Villiers 2010, "The speaker partitioning
problem"): a speaker's place y has the distribution N(0, B), a stretch of T seconds of the speaker
N(y, s(T)), with B and s of `voices`. Given the stretches so far, with the precision P of what is
known of y and its mean m, the next one has N(m, 1 / P + s(T)). Assignments are compared by the
product of these over all stretches. Those of several speakers at once differ: the search keeps the
best few, as in multiple hypothesis tracking (Reid 1979), and settles them after a while.
"""

from typing import NamedTuple

import numpy as np

from pipeline.inference.tracker.activity import FRAME, Stretch
from pipeline.inference.tracker.voices import Vector

KEPT = 24  # assignments
SAME = 4.0  # log odds that a stretch without a pause before it is of the same speaker
FORGETS = 0.2  # seconds s: a pause of s lowers these by a factor e
SHARED = 0.3  # s: two stretches of a speaker may share this much, since ends are uncertain
REMEMBERED = 100  # frames for which a stretch that has ended may matter
MOST = 40.0  # stretches of 2.5 s or so that a voice is remembered by


class Voice(NamedTuple):
    """What is known of a speaker: precision and mean of the place, `[dimensions]` each."""

    precision: Vector
    mean: Vector

    def likelihood(self, place: Vector, variance: float) -> float:
        """Log likelihood of a stretch, but for a constant."""
        total = 1 / self.precision + variance
        return float(-0.5 * (np.log(total) + (place - self.mean) ** 2 / total).sum())

    def with_stretch(self, place: Vector, variance: float) -> "Voice":
        """The voice once this stretch is known to be of it; the oldest ones are forgotten."""
        precision = self.precision + 1 / variance
        mean = (self.precision * self.mean + place / variance) / precision
        return Voice(np.minimum(precision, MOST), mean)


class Hypothesis(NamedTuple):
    """One assignment: its score, the voices, and the speakers of the stretches not yet settled."""

    score: float
    voices: tuple[Voice, ...]
    spoken: tuple[bool, ...]
    recent: tuple[tuple[Stretch, int], ...]
    before: tuple[int, ...]  # the last speaker of each stream, or -1


class Decisions:
    """Assigns stretches of speech to as many speakers as there are streams.

    Args:
        streams: number of them.
        spread: variance of speakers in each dimension.
    """

    def __init__(self, streams: int, spread: Vector) -> None:
        nobody = Voice(1 / spread, np.zeros_like(spread))
        voices, nothing = (nobody,) * streams, (False,) * streams
        self._held = [Hypothesis(0.0, voices, nothing, (), (-1,) * streams)]
        self._ends = [-(10**9)] * streams

    def add(self, stretch: Stretch, place: Vector | None, variance: float) -> None:
        """Take the next stretch, in the order of their ends; without a place it says nothing."""
        pause = (stretch.begin - self._ends[stretch.stream]) * FRAME
        odds = SAME * np.exp(-max(pause, 0.0) / FORGETS)
        self._ends[stretch.stream] = stretch.end
        found = [
            _extended(one, stretch, speaker, place, variance, odds)
            for one in self._held
            for speaker in _possible(one, stretch)
        ]
        self._held = sorted(found, key=lambda one: -one.score)[:KEPT]

    def settle(self, frame: int) -> list[tuple[Stretch, int]]:
        """The speakers of stretches that begin before a frame, once and for all, and of later ones.

        Assignments that contradict are dropped. Stretches that ended
        2 s before the frame are forgotten.
        """
        best = self._held[0]
        fixed = {pair for pair in best.recent if pair[0].begin < frame}
        kept = []
        for one in self._held:
            if fixed <= set(one.recent):
                recent = tuple(pair for pair in one.recent if pair[0].end + REMEMBERED >= frame)
                kept.append(one._replace(score=one.score - best.score, recent=recent))
        self._held = kept
        return sorted(best.recent)


def _shared() -> int:
    return round(SHARED / FRAME)


def _possible(one: Hypothesis, stretch: Stretch) -> list[int]:
    """Speakers who may say a stretch: not those who speak in another stream at that time.

    Of those who have not spoken, only the first, since they are alike. If nobody is left, two
    streams have the same speaker, and anybody may be.
    """
    busy = {
        speaker
        for other, speaker in one.recent
        if other.stream != stretch.stream
        and min(other.end, stretch.end) - max(other.begin, stretch.begin) > _shared()
    }
    fresh = [k for k, spoken in enumerate(one.spoken) if not spoken][1:]
    free = [k for k in range(len(one.voices)) if k not in busy and k not in fresh]
    return free or [k for k in range(len(one.voices)) if k not in busy] or [0]


def _extended(
    one: Hypothesis,
    stretch: Stretch,
    speaker: int,
    place: Vector | None,
    variance: float,
    odds: float,
) -> Hypothesis:
    score, voices = one.score, list(one.voices)
    before, spoken = list(one.before), list(one.spoken)
    if before[stretch.stream] == speaker:
        score += odds
    if place is not None:
        score += voices[speaker].likelihood(place, variance)
        voices[speaker] = voices[speaker].with_stretch(place, variance)
        spoken[speaker] = True
    before[stretch.stream] = speaker
    recent = (*one.recent, (stretch, speaker))
    return Hypothesis(score, tuple(voices), tuple(spoken), recent, tuple(before))
