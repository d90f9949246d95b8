"""Recordings of any format, with all channels, block by block; other code reads mono corpora."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.audio.files import Samples, opened, parts_of
from pipeline.audio.media import SUFFIXES as MEDIA
from pipeline.audio.media import reading_media
from pipeline.base.errors import PipelineError

SUFFIXES = MEDIA | {
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".au", ".caf", ".w64"),
    *(".rf64", ".sph", ".nist"),
}
"""Of files that hold sound; a folder may hold others."""


ENCODER = "software"  # tag of the program that wrote a file, which another one is about to do


class Header(NamedTuple):
    """What is known of a recording before it is decoded.

    Attributes:
        sample_rate: in Hz.
        samples: of each channel; some formats only tell after decoding: None, or about so many.
        channels: number of channels.
        format: of the file, in capitals, as libsndfile names it.
        subtype: how samples are coded.
        tags: title, artist and the like, where the file has them.
        tracks: sound tracks in the file, the first of which is read.
    """

    sample_rate: int
    samples: int | None
    channels: int
    format: str = "WAV"
    subtype: str = "FLOAT"
    tags: dict[str, str] = {}  # noqa: RUF012  # never changed
    tracks: int = 1


@contextmanager
def reading(path: Path | str) -> Iterator[tuple[Header, Iterator[Samples]]]:
    """Open a recording of any format.

    Yields:
        Its header, and its samples in -1…1 in blocks `[time, channels]`; memory does not depend on
        its length.

    Raises:
        PipelineError: the file is missing, empty, cut short, not audio, of a format whose reader is
            not installed, or holds NaN.
    """
    if Path(path).is_file() and _is_for_ffmpeg(Path(path)):
        with reading_media(path) as (header, blocks):
            yield header, checked(path, blocks)
        return
    with opened(path) as file:
        header = Header(
            file.samplerate,
            file.frames,
            file.channels,
            file.format,
            file.subtype,
            {name: text for name, text in file.copy_metadata().items() if text and name != ENCODER},
        )
        yield header, _whole(path, parts_of(file, file.frames, "float32"), file.frames)


def _is_for_ffmpeg(path: Path) -> bool:
    """Whether libsndfile cannot read a file, or would guess where an MP3 ends and lose the rest."""
    suffix = path.suffix.lower()
    return suffix in MEDIA or (suffix == ".mp3" and _begins_as_mp3(path) and not _has_length(path))


def _begins_as_mp3(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def _has_length(path: Path) -> bool:
    """Whether an MP3 begins with a frame that gives its length, behind tags of any size."""
    with path.open("rb") as file:
        head = file.read(10)
        tag = 0
        if head[:3] == b"ID3":  # its size is in four bytes of seven bits
            tag = 10 + sum(byte << 7 * (3 - k) for k, byte in enumerate(head[6:10]))
        file.seek(tag)
        frame = file.read(4096)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


def _whole(path: Path | str, blocks: Iterator[Samples], samples: int) -> Iterator[Samples]:
    """Blocks that must have so many samples together."""
    left = samples
    for block in checked(path, blocks):
        left -= len(block)
        yield block
    if left:
        raise PipelineError(
            f"{path}: ends at sample {samples - left}, more are expected;"
            " fetch or make the file again"
        )


def checked(path: Path | str, blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Blocks as they are.

    Raises:
        PipelineError: there are none, or they hold NaN.
    """
    read = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise PipelineError(f"{path}: holds NaN or infinite samples; mend or remove the file")
        read += len(block)
        yield block
    if not read:
        raise PipelineError(f"{path}: holds no samples; fetch the file again or remove it")
