"""The sound of films and phone recordings (m4a, mp4, mov, mkv, webm), decoded by FFmpeg in PyAV.

So is an MP3 that does not state its length.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3",
    "protocol_whitelist": "file",
}
PAUSE = 0.05  # seconds between frames from which it is one
SHORT = 0.25  # seconds by which the stated length of a whole file may differ
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
    with ExitStack() as stack:
        container = stack.enter_context(_opened(path))
        if not container.streams.audio:
            raise PipelineError(f"{path}: has no sound track; give a recording")
        track = container.streams.audio[0]
        tags = {k.lower(): v for k, v in (container.metadata | track.metadata).items()}
        header = Header(
            sample_rate=track.rate,
            samples=_length(container, track),
            channels=track.channels,
            format=Path(path).suffix[1:].upper(),
            subtype=track.codec_context.name.upper(),
            tags={name: tags[name] for name in TAGS if name in tags},
            tracks=len(container.streams.audio),
        )
        yield header, _blocks(path, container, track, header.samples)


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """The container in a file. Errors of what is done with it are not touched."""
    import av

    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(path).open("rb"))
            container = stack.enter_context(av.open(file, options=OPTIONS))
        except av.FFmpegError as error:
            raise _undecodable(path, error) from error
        except PermissionError as error:
            raise PipelineError(f"{path}: may not be read; check its permissions") from error
        except OSError as error:  # of an empty file
            raise _undecodable(path, error) from error
        yield container


def _undecodable(path: Path | str, error: Any) -> PipelineError:
    return PipelineError(
        f"{path}: cannot be decoded ({error.strerror}); fetch the file again or remove it"
    )


def _length(container: Any, track: Any) -> int | None:
    """Samples of a track by its own length; about so many by that of the file, which is in ms.

    None for an MP3, of which FFmpeg only guesses it.
    """
    if container.format.name == "mp3":
        return None
    if track.duration is not None:
        return round(track.duration * track.time_base * track.rate)
    if container.duration is not None:
        return round(container.duration / 1_000_000 * track.rate)
    return None


def _blocks(
    path: Path | str, container: Any, track: Any, expected: int | None
) -> Iterator["Samples"]:
    """Blocks `[time, channels]`, zeros where the times of frames leave a pause.

    Decoders of AAC return whole frames: what lies behind the length of the track is cut off.

    Raises:
        PipelineError: the track cannot be decoded, or ends long before its length.
    """
    import av

    rate, done = track.rate, 0
    most = float("inf") if track.duration is None or expected is None else expected
    resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=rate)
    first = None
    try:
        for frame in container.decode(track):
            begins = done if frame.time is None else round(frame.time * rate)
            first = begins if first is None else first
            if (pause := begins - first - done) > PAUSE * rate:
                done += pause
                yield np.zeros((pause, track.channels), np.float32)
            for part in resampler.resample(frame):
                block = part.to_ndarray().T[: int(min(max(most - done, 0), part.samples))]
                done += len(block)
                if len(block):
                    yield np.ascontiguousarray(block, np.float32)
    except av.FFmpegError as error:
        raise _undecodable(path, error) from error
    if expected is not None and done < expected - SHORT * rate:
        raise PipelineError(
            f"{path}: ends at sample {done}, more are expected; fetch or make the file again"
        )
