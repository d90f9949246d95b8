"""The loop over the pieces of many recordings: read, run, join, write."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.config.models import Tracking
from pipeline.inference.ahead import ahead
from pipeline.inference.chunks import Joiner, Piece
from pipeline.inference.estimator import Estimator, Finish, moved
from pipeline.inference.tracker.joiner import TrackingJoiner
from pipeline.inference.writer import Writer
from pipeline.models.card import TRAIN_AFRESH
from pipeline.models.signals import Inputs


class Passed(NamedTuple):
    """Pieces that went through as one batch, and seconds.

    Attributes:
        pieces: what went through.
        read: from files to samples in memory.
        latency: from there to joined estimates in memory; means something if it ran alone.
        busy: of these, for which the device was at work.
        write: from estimates in memory to files.
    """

    pieces: list[Piece]
    read: float
    latency: float
    busy: float
    write: float


class _Read(NamedTuple):
    pieces: list[Piece]
    batch: Inputs
    seconds: float


class _Started(NamedTuple):
    read: _Read
    began: float
    finish: Finish


class Loop:
    """Runs an estimator over batches of pieces.

    Args:
        estimator: the network on its device.
        sample_rate: of all files, in Hz.
        alone: one batch after another, so that each can be timed. Else the next files are read
            and the last ones written by threads, and the device does not wait for either.
        tracking: `speakers` keeps the speaker of each source over a whole recording.
    """

    def __init__(
        self, estimator: Estimator, sample_rate: int, alone: bool, tracking: Tracking = "none"
    ) -> None:
        self._estimator = estimator
        self._sample_rate, self._alone = sample_rate, alone
        self._joiner = TrackingJoiner(sample_rate) if tracking == "speakers" else Joiner()
        self._writer = Writer(sample_rate)

    @property
    def digests(self) -> dict[str, str]:
        """Of what was written of each mixture."""
        return self._writer.digests

    def warm_up(self, pieces: list[Piece], times: int) -> None:
        """Run a batch for nothing."""
        batch = self._read(pieces).batch
        for _ in range(times):
            self._estimator.start(batch)()

    def run(self, batches: list[list[Piece]], title: str) -> list[Passed]:
        """Go through batches, a recording's pieces one after another, and write its estimates.

        Raises:
            PipelineError: a file cannot be read, or the network gives NaN for it.
        """
        each: Callable[..., Iterator] = map if self._alone else ahead
        started = map(self._start, each(self._read, batches))
        with self._writer:
            finished = each(self._finish, started)
            return list(tqdm(finished, title, len(batches), disable=None))

    def _read(self, pieces: list[Piece]) -> _Read:
        began = time.perf_counter()
        lengths = torch.tensor([piece.samples for piece in pieces])
        mixtures = torch.zeros(len(pieces), int(lengths.max()))
        for row, piece in zip(mixtures.numpy(), pieces, strict=True):
            path, start, samples = piece.recording.path, piece.start, piece.samples
            row[:samples] = audio.read_at(path, self._sample_rate, start, samples)
        padded = bool((lengths < mixtures.shape[1]).any())
        batch = Inputs(mixtures, lengths if padded else None)
        if self._estimator.device.type == "cuda" and not self._alone:
            batch = moved(batch, torch.Tensor.pin_memory)
        return _Read(pieces, batch, time.perf_counter() - began)

    def _start(self, read: _Read) -> _Started:
        began = time.perf_counter()
        return _Started(read, began, self._estimator.start(read.batch))

    def _finish(self, started: _Started) -> Passed:
        pieces = started.read.pieces
        estimates, busy = started.finish()
        settled = [
            self._joiner.join(piece, estimate[:, : piece.samples])
            for piece, estimate in zip(pieces, estimates, strict=True)
        ]
        joined = time.perf_counter()
        for piece, parts in zip(pieces, settled, strict=True):
            self._check(piece, parts)
            self._writer.write(piece, parts)
        written = time.perf_counter()
        return Passed(pieces, started.read.seconds, joined - started.began, busy, written - joined)

    def _check(self, piece: Piece, parts: list[audio.Samples]) -> None:
        if not all(np.isfinite(part).all() for part in parts):
            raise PipelineError(
                f"{self._estimator.weights}: gives NaN for {piece.recording.path}; {TRAIN_AFRESH}"
            )
