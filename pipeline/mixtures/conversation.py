"""Conversations: speakers who take turns, with pauses and overlaps, for minutes or an hour."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import SEVERAL, split_paths
from pipeline.config import Mixtures, Split
from pipeline.config.mixtures import Conversation
from pipeline.mixtures.draw import draw_noise, joined_facts, source_columns, speech_gain
from pipeline.mixtures.pool import Pool

FADE_SECONDS = 0.01  # fade-out of an utterance that is cut


class Turn(NamedTuple):
    """One utterance of one speaker: its place in the pool, and samples of the mixture."""

    speaker: int
    utterance: int
    begin: int
    end: int


def draw_conversation(
    pool: Pool, settings: Mixtures, rng: np.random.Generator, split: Split
) -> dict[str, Any]:
    """Draw one row of a plan: a conversation of `settings.conversation.seconds`.

    The paths of a source are its utterances, in their order, separated by `|`. Utterance j of
    source k is played from sample `source_<k>_begins`[j] of the mixture to `source_<k>_ends`[j],
    and cut there if it is longer. All utterances of a source have one gain.

    Returns:
        the columns of the row and their values.
    """
    speakers = rng.choice(pool.num_speakers, settings.most_speakers, replace=False)
    length = round(settings.conversation.seconds * pool.rate)
    turns = list(_Floor(pool, settings.conversation, rng, speakers.tolist(), length).turns())
    row: dict[str, Any] = {"length": length}
    for k in range(settings.most_speakers):
        own = [turn for turn in turns if turn.speaker == k]
        talk = joined_facts(pool, [turn.utterance for turn in own])
        row |= source_columns(k + 1, talk, speech_gain(talk, settings, rng))
        for name in ("begin", "end"):
            row[f"source_{k + 1}_{name}s"] = SEVERAL.join(str(getattr(t, name)) for t in own)
    taken = {row[f"source_{k}_speaker"] for k in range(1, settings.most_speakers + 1)}
    return row | draw_noise(pool, length, settings, rng, split, taken)


class _Floor:
    """Who speaks when, one turn after another; at most two speakers speak at once.

    While the share of overlapped speech so far is below the one asked for, the next turn is
    another speaker's and begins before the last one ends. Otherwise any speaker begins after a
    pause. First each speaker has a turn. A speaker's own turns are a pause apart or more.

    Args:
        pool: the utterances.
        given: ranges of turns and pauses in seconds, share of overlap.
        rng: of the draws.
        speakers: the speakers' places in the pool.
        length: samples of the conversation.
    """

    def __init__(
        self,
        pool: Pool,
        given: Conversation,
        rng: np.random.Generator,
        speakers: list[int],
        length: int,
    ) -> None:
        self._rate, self._given, self._rng, self._length = pool.rate, given, rng, length
        self._samples = pool.utterances["samples"]
        self._decks = [_deck(pool, speaker, rng) for speaker in speakers]
        self._waiting = rng.permutation(len(speakers)).tolist()  # those without a turn so far
        self._rests = [0] * len(speakers)  # where each speaker may begin again
        self._last = -1  # speaker of the last turn
        self._end, self._alone = 0, 0  # end of all speech; since when one speaker has been alone
        self._speech = self._overlapped = 0  # samples

    def turns(self) -> Iterator[Turn]:
        """The turns in the order of their begins, until the conversation is full."""
        while (turn := self._next()).begin < self._length:
            yield turn._replace(end=min(turn.end, self._length))

    def _next(self) -> Turn:
        behind = self._overlapped < self._given.overlap * self._speech
        speaker = self._speaker(behind)
        utterance = next(self._decks[speaker])
        samples = min(self._samples[utterance], self._draw(self._given.turn_seconds))
        begin = self._end + self._draw(self._given.pause_seconds)
        if behind and speaker != self._last:
            room = min(self._end - self._alone, samples)
            begin = self._end - round(self._rng.uniform() * room)
        begin = max(begin, self._rests[speaker])
        end = begin + samples
        shared = max(0, min(end, self._end) - begin)
        self._overlapped += shared
        self._speech += samples - shared
        self._alone = min(end, self._end) if shared else begin
        self._end, self._last = max(end, self._end), speaker
        self._rests[speaker] = end + self._draw(self._given.pause_seconds)
        return Turn(speaker, utterance, begin, end)

    def _speaker(self, behind: bool) -> int:
        if self._waiting:
            return self._waiting.pop()
        others = [k for k in range(len(self._decks)) if not (behind and k == self._last)]
        return int(self._rng.choice(others or [self._last]))

    def _draw(self, seconds: tuple[float, float]) -> int:
        return round(self._rng.uniform(*seconds) * self._rate)


def _deck(pool: Pool, speaker: int, rng: np.random.Generator) -> Iterator[int]:
    """The utterances of a speaker in a random order; anew in another when all were used."""
    while True:
        yield from rng.permutation(range(*pool.bounds[speaker : speaker + 2])).tolist()


def render_turns(row: dict[str, Any], k: int, length: int, sample_rate: int) -> audio.Samples:
    """Render source k of a conversation, before its gain: `[time]`.

    Args:
        row: of `draw_conversation`.
        k: number of the source, from 1.
        length: samples of the mixture.
        sample_rate: Hz.

    Raises:
        PipelineError: the places of the utterances are damaged; a file is missing.
    """
    paths = split_paths(row[f"source_{k}_path"])
    begins, ends = (_places(row, f"source_{k}_{name}") for name in ("begins", "ends"))
    source = np.zeros(length, np.float32)
    if not len(paths) == len(begins) == len(ends) or max(ends) > length:
        raise _damaged(row, f"source_{k}_begins")
    fade = round(FADE_SECONDS * sample_rate)
    for path, begin, end in zip(paths, begins, ends, strict=True):
        said = audio.read_at(path, sample_rate, 0, end - begin + 1, exact=False)
        if len(said) > end - begin:
            said = said[: end - begin]
            said[-fade:] *= np.linspace(1, 0, len(said[-fade:]), dtype=np.float32)
        source[begin : begin + len(said)] = said
    return source


def _places(row: dict[str, Any], column: str) -> list[int]:
    try:
        return [int(float(place)) for place in str(row[column]).split(SEVERAL)]
    except ValueError as error:
        raise _damaged(row, column) from error


def _damaged(row: dict[str, Any], column: str) -> PipelineError:
    return PipelineError(
        f"plan of {row['mixture_id']}: {column}: is damaged; delete results/mixtures/plan and run"
        " again"
    )
