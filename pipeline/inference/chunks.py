"""Recordings cut into pieces that a network is fed, and what joins them again."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.audio import Samples


class Recording(NamedTuple):
    """A file to run a network over, its length in samples, and a file for each source."""

    mixture_id: str
    path: str
    samples: int
    targets: tuple[Path, ...]


class Piece(NamedTuple):
    """Part of a recording; its first `shared` samples are those that the piece before ends with."""

    recording: Recording
    start: int
    samples: int
    shared: int

    @property
    def last(self) -> bool:
        """Whether the recording ends with it."""
        return self.start + self.samples == self.recording.samples


def cut(recording: Recording, longest: int, overlap: int) -> Iterator[Piece]:
    """A recording in order: whole if it has at most `longest` samples, else pieces of that many.

    Neighbours share `overlap` samples, and the last piece more if need be.
    """
    end, size = max(recording.samples - longest, 0), min(recording.samples, longest)
    starts = [*range(0, end, longest - overlap), end]
    for before, start in pairwise([-size, *starts]):
        yield Piece(recording, start, size, before + size - start)


class Joiner:
    """Cross-fades the pieces of one recording after another, and holds no more than a piece."""

    def __init__(self) -> None:
        self._held = np.zeros((0, 0), np.float32)

    def join(self, piece: Piece, estimate: Samples) -> list[Samples]:
        """What is settled by the estimate `[sources, time]` of the next piece, to be written.

        Returns:
            Signals `[sources, time]` that follow one another; those of all pieces of a recording
            are as long as it.
        """
        before, settled = self._held, self._held.shape[1] - piece.shared
        joined = fade(before[:, settled:], estimate) if piece.start else estimate
        self._held = joined[:, :0] if piece.last else joined
        parts = [before[:, :settled], joined] if piece.last else [before[:, :settled]]
        return [part for part in parts if part.size]


def fade(before: Samples, piece: Samples) -> Samples:
    """Fade from the end of one piece, `[sources, shared]`, to the next, `[sources, time]`.

    The sources of the next are put in the order of the one before, by correlation.
    """
    shared = before.shape[1]
    piece = piece[same_order(before, piece[:, :shared])]
    ramp = np.linspace(0, 1, shared, dtype=np.float32)
    piece[:, :shared] = before * (1 - ramp) + piece[:, :shared] * ramp
    return piece


def same_order(reference: Samples, piece: Samples) -> np.ndarray:
    """Order of the sources of `piece` that correlates best with `reference`, `[sources]`."""
    # Not above: it takes 0.4 s, and few jobs have recordings that are cut.
    from scipy.optimize import linear_sum_assignment

    similarity = np.nan_to_num(reference @ piece.T)  # NaN is for the caller to notice
    return linear_sum_assignment(-similarity)[1]
