"""Signals of any length from one rate to another, block by block."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from pipeline.audio import Samples


def resampled(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[Samples]:
    """Blocks `[time, channels]` at another rate, as `pipeline.audio.resample` has the whole."""
    stream = None
    for block in blocks:
        if rate == target:
            yield block
            continue
        if stream is None:
            stream = soxr.ResampleStream(rate, target, block.shape[1], "float32", "VHQ")
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, block.shape[1]), np.float32), last=True)


class Reader:
    """Reads blocks in other lengths than they come in; behind their end it finds zeros."""

    def __init__(self, blocks: Iterable[Samples], channels: int) -> None:
        self._blocks = iter(blocks)
        self._rest = np.zeros((0, channels), np.float32)

    def read(self, samples: int) -> Samples:
        """The next samples, `[samples, channels]`."""
        parts, held = [self._rest], len(self._rest)
        while held < samples and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            held += len(block)
        joined = np.concatenate(parts)
        if held < samples:
            joined = np.pad(joined, ((0, samples - held), (0, 0)))
        self._rest = joined[samples:]
        return joined[:samples]
