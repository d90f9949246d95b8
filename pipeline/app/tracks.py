"""Recordings of any kind, decoded into the tracks that a network is run on."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.app.resampling import resampled
from pipeline.audio import Samples
from pipeline.audio.encoding import encoding
from pipeline.audio.recordings import Header, checked, reading
from pipeline.base.errors import PipelineError

SILENT = 1e-4  # peak of full scale, -80 dBFS
CANCELS = 1e-2  # power of the mean of all channels over what unlike channels have there
LONGEST = (1 << 30) - (1 << 14)  # samples of a track, of 4 bytes each in a WAV: 18 h at 16 kHz
AT_ONCE = 1 << 16  # samples of a recording in memory

Opened = AbstractContextManager[tuple[Header, Iterator[Samples]]]


class Recording(NamedTuple):
    """A recording: its name for messages, and how to open it, as often as it takes.

    `open` yields a header and blocks `[time, channels]`.
    """

    name: str
    open: Callable[[], Opened]


class Measured(NamedTuple):
    """A recording's header, the samples of each channel, its RMS and its peak of full scale."""

    header: Header
    samples: int
    rms: float
    peak: float


class Tracks(NamedTuple):
    """Mono files of a network's rate.

    Attributes:
        paths: of one for the mean of all channels, or of one for each channel.
        of: the recording.
        cancelled: whether the mean of the channels was no use, so that each has a track.
    """

    paths: list[Path]
    of: Measured
    cancelled: bool


def in_file(path: Path) -> Recording:
    """A recording in a file."""
    return Recording(str(path), lambda: reading(path))


def in_memory(samples: Samples, sample_rate: int) -> Recording:
    """A recording of `[time, channels]`."""

    name = "the recording"

    @contextmanager
    def opened() -> Iterator[tuple[Header, Iterator[Samples]]]:
        starts = range(0, len(samples), AT_ONCE)
        blocks = (samples[start : start + AT_ONCE] for start in starts)
        yield Header(sample_rate, *samples.shape), checked(name, blocks)

    return Recording(name, opened)


def measure(recording: Recording) -> "Measured":
    """Decode a recording for its length and its levels."""
    levels = _Levels()
    with recording.open() as (header, blocks):
        for block in blocks:
            levels.of(block, by_channel=True)
    return Measured(header, levels.samples, levels.power**0.5, levels.peak)


def decode(recording: Recording, folder: Path, rate: int, by_channel: bool) -> Tracks:
    """Decode a recording into files of a network's rate.

    Args:
        recording: of any rate and number of channels.
        folder: for the files.
        rate: of the network, in Hz.
        by_channel: whether each channel has a track of its own, rather than their mean.

    Raises:
        PipelineError: the recording cannot be read, is silent, or too long.
    """
    with recording.open() as (header, blocks):
        count = header.channels if by_channel else 1
        paths = [folder / f"track-{k}.wav" for k in range(count)]
        levels = _Levels()
        signals = (levels.of(block, by_channel) for block in blocks)
        _write(paths, resampled(signals, header.sample_rate, rate), rate, recording.name)
    if levels.peak < SILENT:
        raise PipelineError(f"{recording.name}: is silent (below -80 dBFS); give another recording")
    if levels.mean < CANCELS * levels.power / header.channels and not by_channel:
        tracks = decode(recording, folder, rate, by_channel=True)
        return tracks._replace(cancelled=True)
    measured = Measured(header, levels.samples, levels.power**0.5, levels.peak)
    return Tracks(paths, measured, cancelled=False)


def _write(paths: list[Path], blocks: Iterable[Samples], rate: int, name: str) -> None:
    """Write blocks `[time, tracks]`; at least one sample, since no file has none."""
    written = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(encoding(path, rate, 1)) for path in paths]
        for block in blocks:
            written += len(block)
            if written > LONGEST:
                raise PipelineError(f"{name}: is too long; cut it into parts of some hours")
            for write, track in zip(writers, block.T, strict=True):
                write(track)
        if not written:
            for write in writers:
                write(np.zeros(1, np.float32))


class _Levels:
    """Adds up the powers of all channels and of their mean while blocks pass."""

    def __init__(self) -> None:
        self.samples, self.peak = 0, 0.0
        self._whole, self._mean = 0.0, 0.0

    def of(self, block: Samples, by_channel: bool) -> Samples:
        """The block `[time, channels]`, or its mean `[time, 1]`."""
        mean = block.mean(axis=1, keepdims=True)
        self.samples += len(block)
        self.peak = max(self.peak, float(np.abs(block).max()))
        self._whole += float(np.square(block, dtype=np.float64).sum()) / block.shape[1]
        self._mean += float(np.square(mean, dtype=np.float64).sum())
        return block if by_channel else mean

    @property
    def power(self) -> float:
        """Mean square of a channel."""
        return self._whole / max(self.samples, 1)

    @property
    def mean(self) -> float:
        """Mean square of the mean of all channels."""
        return self._mean / max(self.samples, 1)


def in_db(amplitude: float) -> float | None:
    """20 lg of an amplitude of full scale, in dBFS; None for 0.

    >>> in_db(0.1)
    -20.0
    """
    return round(20 * math.log10(amplitude), 2) if amplitude else None
