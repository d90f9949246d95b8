"""Write recordings in the formats of libsndfile, block by block, each whole or not at all."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from pipeline.audio.files import OPUS_LEVEL, Samples
from pipeline.base.errors import PipelineError
from pipeline.base.files import replacing

# What a user writes: libsndfile's name, its default coding, and other names of the suffix.
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
}
"""Formats that can be written: libsndfile's name, and how samples are coded by default."""

LARGEST = 2**32 - 2**16  # bytes of sound that the lengths of a WAV can tell of
BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_S8": 1, "PCM_U8": 1, "DOUBLE": 8}  # of a sample; others 4
STEPS = {"PCM_16": 2.0**15, "PCM_24": 2.0**23, "PCM_S8": 2.0**7, "PCM_U8": 2.0**7}


def quantised(samples: Samples, subtype: str) -> Samples:
    """Samples as a file of this coding holds them: x = round(x · 2^(bits − 1)) / 2^(bits − 1).

    Those beyond full scale are clipped. Other codings than 8, 16 and 24 bits keep them as they are.

    >>> quantised(np.array([0.1, 2], np.float32), "PCM_S8").tolist()
    [0.1015625, 0.9921875]
    """
    if subtype not in STEPS:
        return samples
    steps = STEPS[subtype]
    return (np.clip(np.rint(samples * steps), -steps, steps - 1) / steps).astype(np.float32)


@contextmanager
def encoding(
    path: Path | str,
    sample_rate: int,
    channels: int,
    format: str = "WAV",
    subtype: str = "FLOAT",
    tags: Mapping[str, str] | None = None,
) -> Iterator[Callable[[Samples], None]]:
    """Write a recording atomically.

    Args:
        path: the file, replaced only when the block succeeds.
        sample_rate: in Hz.
        channels: number of channels.
        format: libsndfile's name of it.
        subtype: how samples are coded.
        tags: title, artist and the like; those that the format has no place for are left out.

    Yields:
        A function that writes the next block, `[time, channels]`.

    Raises:
        PipelineError: the format does not take this rate, coding or number of channels.
        OSError: the disk is full, or the folder cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w+b") as raw:
        sink = _Sink(raw)
        file = _created(path, sink, sample_rate, channels, format, subtype)
        longest = LARGEST // (channels * BYTES.get(subtype, 4)) if format == "WAV" else None
        try:
            for name, text in (tags or {}).items():
                with suppress(sf.LibsndfileError):  # the format has no place for it
                    setattr(file, name, text)
            yield lambda block: _write(path, file, sink, _as_written(block, subtype), longest)
        finally:
            file.close()  # which writes the lengths into the header
        sink.check()


def _created(
    path: Path | str, sink: "_Sink", sample_rate: int, channels: int, format: str, subtype: str
) -> sf.SoundFile:
    level = OPUS_LEVEL if subtype == "OPUS" else None
    try:
        return sf.SoundFile(
            sink, "w", sample_rate, channels, subtype, None, format, compression_level=level
        )
    except (sf.LibsndfileError, ValueError) as error:
        sink.check()
        raise PipelineError(
            f"{path}: {format} in {subtype} cannot hold {channels} channels at {sample_rate} Hz;"
            " choose another --format or --subtype"
        ) from error


def _as_written(block: Samples, subtype: str) -> NDArray[Any]:
    """Samples for libsndfile: it scales floats by 2^31 - 1, and so loses a step here and there."""
    if subtype not in STEPS:
        return block
    return (quantised(block, subtype).astype(np.float64) * 2.0**31).astype(np.int32)


def _write(
    path: Path | str, file: sf.SoundFile, sink: "_Sink", block: NDArray[Any], longest: int | None
) -> None:
    if longest is not None and file.frames + len(block) > longest:
        raise PipelineError(f"{path}: is too long for WAV, which holds 4 GB; give --format w64")
    try:
        file.write(block)
    except (sf.LibsndfileError, AssertionError):
        sink.check()
        raise


class _Sink:
    """A file that keeps errors for its caller: libsndfile goes on after a full disk or Ctrl-C."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.error: BaseException | None = None

    def check(self) -> None:
        """Raise the error that is kept."""
        if self.error:
            raise self.error

    def _kept(self, call: Callable[..., int], *given: Any) -> int:
        try:
            return call(*given)
        except BaseException as error:
            self.error = self.error or error
            return 0

    def write(self, data: Any) -> int:
        return self._kept(self._raw.write, data)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._kept(self._raw.seek, place, whence)

    def tell(self) -> int:
        return self._kept(self._raw.tell)

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)
