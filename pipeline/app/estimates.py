"""A network over one recording of any rate, number of channels and length.

The recording is decoded twice: into tracks of the network's rate, and beside the estimates, when
these are brought back to its own. So memory does not depend on the length.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from pipeline.app.gains import SharedGains
from pipeline.app.networks import Network
from pipeline.app.passes import apply_to, stream
from pipeline.app.resampling import Reader, resampled
from pipeline.app.tracks import Recording, Tracks, decode
from pipeline.audio import Samples
from pipeline.audio.recordings import reading

BLOCK = 1 << 16  # values of the recording that are brought back at once


class Block(NamedTuple):
    """Part of a recording `[time, channels]`, and estimates `[sources, time, channels]` of it."""

    recording: Samples
    estimates: Samples

    def mixed(self, wet: float) -> Samples:
        """The share `wet` of the estimates, the rest of the recording."""
        return wet * self.estimates + np.float32(1 - wet) * self.recording


@dataclass(frozen=True)
class Estimates:
    """Estimates of the sources of a recording, in files of the network's rate.

    Attributes:
        recording: that the network was run on.
        tracks: of the recording, which the network was given.
        rate: of tracks and estimates, in Hz.
        paths: of the estimates of each track, `[tracks][sources]`.
        scales: by which they are multiplied, `[tracks][sources]`.
        device: that the network ran on.
        seconds: from opening the recording to the last estimate, without loading the network.
    """

    recording: Recording
    tracks: Tracks
    rate: int
    paths: list[list[Path]]
    scales: list[list[float]]
    device: str
    seconds: float

    def blocks(self) -> Iterator[Block]:
        """Recording and estimates from beginning to end, at the rate of the recording."""
        channels = self.tracks.of.header.channels
        shared = len(self.paths) < channels
        return self._shared(channels) if shared else self._of_tracks()

    def _of_tracks(self) -> Iterator[Block]:
        """Blocks whose estimates are those of the tracks, `[sources, time, tracks]`."""
        with ExitStack() as stack:
            header, signal = stack.enter_context(self.recording.open())
            mixture = Reader(signal, header.channels)
            found = [[self._back(stack, path) for path in paths] for paths in self.paths]
            size, left = max(1, BLOCK // header.channels), self.tracks.of.samples
            while samples := min(size, left):
                left -= samples
                estimates = [[each.read(samples)[:, 0] for each in track] for track in found]
                scaled = np.array(estimates) * np.array(self.scales, np.float32)[:, :, None]
                yield Block(mixture.read(samples), scaled.transpose(1, 2, 0))

    def _shared(self, channels: int) -> Iterator[Block]:
        """Blocks with what the estimates of the mean of all channels say of each of them."""
        rate, sources = self.tracks.of.header.sample_rate, len(self.paths[0])
        gains, waiting = SharedGains(rate, channels, sources), np.zeros((0, channels), np.float32)
        for block in self._of_tracks():
            estimates = gains.push(block.recording, block.estimates[:, :, 0])
            waiting = np.concatenate([waiting, block.recording])
            settled, waiting = np.split(waiting, [estimates.shape[1]])
            yield Block(settled, estimates)
        yield Block(waiting, gains.finish(len(waiting)))

    def _back(self, stack: ExitStack, path: Path) -> Reader:
        """An estimate at the rate of the recording."""
        _, blocks = stack.enter_context(reading(path))
        return Reader(resampled(blocks, self.rate, self.tracks.of.header.sample_rate), 1)


@contextmanager
def estimating(
    network: Network,
    recording: Recording,
    device: str,
    threads: int,
    by_channel: bool = False,
    live: bool = False,
) -> Iterator[Estimates]:
    """Run a network over a recording; its estimates are there until the block ends.

    One with several channels is run on their mean, and what it does there is done to each of them
    (`SharedGains`), or on each by itself: asked for, or where the mean is next to nothing.

    Args:
        network: of `pipeline.app.networks.find`.
        recording: of any rate, number of channels and length.
        device: `auto`, `cpu` or `cuda`.
        threads: of the CPU.
        by_channel: whether each channel goes through by itself.
        live: whether it goes through in short pieces, each from the past alone, as if it was still
            being recorded.

    Raises:
        PipelineError: the recording cannot be read, is silent or too long; the network does not
            load, returns NaN, or cannot run live.
    """
    with TemporaryDirectory(prefix="dts-") as name:
        folder = Path(name)
        with recording.open() as (header, _):
            running = network.load(header.sample_rate, device, threads)
        began = time.perf_counter()
        rate = running.setting.sample_rate
        tracks = decode(recording, folder, rate, by_channel)
        paths = [
            [folder / f"estimate-{k}-{source}.wav" for source in range(network.sources)]
            for k in range(len(tracks.paths))
        ]
        run = stream if live else apply_to
        run(running, list(zip(tracks.paths, paths, strict=True)))
        paths = [_in_order(paths[0], each) for each in paths]
        scales = [
            [1.0 if network.keeps_level else scale_of(track, path) for path in found]
            for track, found in zip(tracks.paths, paths, strict=True)
        ]
        seconds = time.perf_counter() - began
        yield Estimates(recording, tracks, rate, paths, scales, running.device, seconds)


def _in_order(first: list[Path], other: list[Path]) -> list[Path]:
    """The estimates of a channel in the order of those of the first, by correlation."""
    if other is first or len(first) == 1:
        return other
    from scipy.optimize import linear_sum_assignment

    with ExitStack() as stack:
        signals = [stack.enter_context(reading(path))[1] for path in (*first, *other)]
        blocks = (np.stack(each) for each in _doubles(*signals))
        products = sum(each[: len(first)] @ each[len(first) :].T for each in blocks)
    return [other[k] for k in linear_sum_assignment(-np.abs(products))[1]]


def scale_of(mixture: Path, estimate: Path) -> float:
    """The factor with which an estimate e is nearest to its mixture x: <x, e> / <e, e>.

    A network that was trained by SI-SDR returns any level, or even the other sign. 0 for an
    estimate of zeros.
    """
    with reading(mixture) as (_, xs), reading(estimate) as (_, es):
        products = np.sum([(np.vdot(x, e), np.vdot(e, e)) for x, e in _doubles(xs, es)], axis=0)
    return float(products[0] / products[1]) if products[1] else 0.0


def _doubles(*signals: Iterator[Samples]) -> Iterator[tuple[np.ndarray, ...]]:
    """Blocks of signals of one length in double precision."""
    for blocks in zip(*signals, strict=True):
        yield tuple(block[:, 0].astype(np.float64) for block in blocks)
