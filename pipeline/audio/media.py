"""The sound of films and phone recordings (m4a, mp4, mov, mkv, webm), decoded by FFmpeg in PyAV."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.audio import Samples
    from pipeline.audio.recordings import Header

SUFFIXES = frozenset({".m4a", ".mp4", ".mov", ".mkv", ".webm"})
# FFmpeg guesses the format from the content. Lists of other files (ffconcat, HLS) are such formats,
# too, and a file that is opened must not make it read another one, nor the network.
OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "protocol_whitelist": "file",
}
TAGS = ("title", "artist", "album", "comment", "date", "genre")


@contextmanager
def reading_media(path: Path | str) -> Iterator[tuple["Header", Iterator["Samples"]]]:
    """Open the first sound track of a media file.

    Yields:
        Its header, and its samples in blocks `[time, channels]`, which end where the track says
        that it does: decoders return whole frames.

    Raises:
        PipelineError: PyAV is not installed, the file cannot be read, or has no sound.
    """
    from pipeline.audio.recordings import Header

    if find_spec("av") is None:
        raise PipelineError(
            f"{path}: this format needs PyAV: pip install 'denoise-then-separate[media]'"
        )
    import av

    try:
        with Path(path).open("rb") as file, av.open(file, options=OPTIONS) as container:
            if not container.streams.audio:
                raise PipelineError(f"{path}: has no sound track; give a recording")
            track = container.streams.audio[0]
            rate, channels = track.rate, track.channels
            tags = {k.lower(): v for k, v in (container.metadata | track.metadata).items()}
            header = Header(
                sample_rate=rate,
                samples=_length(container, track),
                channels=channels,
                format=Path(path).suffix[1:].upper(),
                subtype=track.codec_context.name.upper(),
                tags={name: tags[name] for name in TAGS if name in tags},
                tracks=len(container.streams.audio),
            )
            yield header, _blocks(container, track, header.samples)
    except av.FFmpegError as error:
        raise PipelineError(
            f"{path}: cannot be decoded ({error.strerror}); fetch the file again or remove it"
        ) from error
    except PermissionError as error:
        raise PipelineError(f"{path}: may not be read; check its permissions") from error


def _length(container: Any, track: Any) -> int | None:
    """Samples of a track by its own length, or that of the file."""
    if track.duration is not None:
        return round(track.duration * track.time_base * track.rate)
    if container.duration is not None:
        return round(container.duration / 1_000_000 * track.rate)
    return None


def _blocks(container: Any, track: Any, most: int | None) -> Iterator["Samples"]:
    """Blocks `[time, channels]`, at most so many samples."""
    import av

    resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=track.rate)
    left = float("inf") if most is None else most
    for frame in container.decode(track):
        for part in resampler.resample(frame):
            block = part.to_ndarray().T[: int(min(left, part.samples))]
            left -= len(block)
            if len(block):
                yield np.ascontiguousarray(block, np.float32)
