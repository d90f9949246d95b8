"""Read and write audio files; no other module of the pipeline opens one."""

import hashlib
import io
import struct
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from pipeline.audio.containers import find_sound, missing_end, repaired
from pipeline.base.errors import PipelineError
from pipeline.base.files import DIGEST_DIGITS, digest_of, replacing

Samples = NDArray[np.float32]
UNKNOWN_LENGTH = 2**63 - 1  # number of samples that libsndfile gives for a piped FLAC
RATES = range(1000, 1_000_001)  # Hz; resampling from a rate far outside would fill the memory
AT_ONCE = 1 << 20  # values of all channels
FLAC_HEAD = 42  # bytes up to the end of the STREAMINFO block
# Formats in which truncation is detected; in MP3 only if its header gives the length.
WHOLE = {"WAV", "WAVEX", "RF64", "W64", "NIST", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"}
OPUS_LEVEL = 0.87  # compression level of libsndfile; about 40 kbit/s for one channel


class AudioInfo(NamedTuple):
    """Facts of a file's header: rate in Hz, length in samples at that rate."""

    sample_rate: int
    samples: int
    channels: int


def info(path: Path | str) -> AudioInfo:
    """Read the header of an audio file.

    Raises:
        PipelineError: the file is missing, empty, cut short or not audio.
    """
    with opened(path) as file:
        return _facts(file)


def read(
    path: Path | str, start: int = 0, samples: int = -1, exact: bool = True
) -> tuple[Samples, int]:
    """Read the first channel of a file.

    Returns:
        samples in -1…1, `[time]`, and the rate in Hz.

    Arguments and errors are those of `read_with_info`.
    """
    first, header = read_with_info(path, start, samples, exact)
    return first, header.sample_rate


def read_with_info(
    path: Path | str, start: int = 0, samples: int = -1, exact: bool = True
) -> tuple[Samples, AudioInfo]:
    """Read the first channel of a file: samples in -1…1, `[time]`, and the facts of its header.

    Args:
        path: a file in any format that libsndfile reads (WAV, FLAC, …).
        start: first sample to read.
        samples: number of samples; -1 reads to the end.
        exact: whether it is an error if the file has fewer samples.

    Raises:
        PipelineError: missing, unreadable, truncated or empty file, or NaN samples.
    """
    with opened(path) as file:
        header, held = _facts(file), file.frames
        wanted = held - start if samples < 0 else samples
        if start:
            file.seek(min(start, held))
        parts = [np.ascontiguousarray(part[:, 0]) for part in parts_of(file, wanted, "float32")]
    first = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])
    if len(first) < max(wanted if exact else min(wanted, held - start), 1):
        raise PipelineError(
            f"{path}: ends at sample {start + len(first)}, more are expected;"
            " fetch or make the file again"
        )
    if not np.isfinite(first).all():
        raise PipelineError(f"{path}: holds NaN or infinite samples; mend or remove the file")
    return first, header


def channel_swings(path: Path | str) -> list[float]:
    """Return half the range of each channel, (max − min) / 2: its peak without a constant offset.

    Errors are those of `read_with_info`.
    """
    with opened(path) as file:
        parts = [(p.min(axis=0), p.max(axis=0)) for p in parts_of(file, file.frames, "float32")]
    low, high = (np.array(ends) for ends in zip(*parts, strict=True))
    return ((high.max(axis=0) - low.min(axis=0)) / 2).tolist()


def read_at(
    path: Path | str, sample_rate: int, start: int = 0, samples: int = -1, exact: bool = True
) -> Samples:
    """Read the first channel of a file that must be at `sample_rate` Hz: `[time]`.

    Raises:
        PipelineError: as for `read`, or the file has another rate.
    """
    data, rate = read(path, start, samples, exact)
    if rate != sample_rate:
        raise PipelineError(
            f"{path}: is at {rate} Hz where {sample_rate} Hz is expected;"
            " fetch or make the file again"
        )
    return data


def resample(samples: Samples, rate: int, target: int) -> Samples:
    """Resample `[time]` from `rate` to `target` Hz with soxr at very high quality.

    The result has time · target / rate samples.

    >>> len(resample(np.zeros(160, np.float32), 16000, 8000))
    80
    """
    if rate == target:
        return samples
    return soxr.resample(samples, rate, target, quality="VHQ").astype(np.float32)


def change_speed(samples: Samples, speed: float) -> Samples:
    """Play `[time]` at `speed` times its speed, which changes the pitch too (SoX's `speed`).

    The result y(t) = x(speed · t) has time / speed samples.

    >>> len(change_speed(np.zeros(160, np.float32), 0.8))
    200
    """
    return samples if speed == 1 else soxr.resample(samples, speed, 1.0, quality="HQ")


def write(
    path: Path | str,
    samples: Samples,
    sample_rate: int,
    subtype: Literal["PCM_16", "FLOAT", "OPUS"] = "PCM_16",
    format: Literal["WAV", "FLAC", "OGG"] = "WAV",
) -> str:
    """Write `[time]` atomically: 16 bit for corpora, 32-bit float for estimates.

    Opus is written into OGG and is for listening only: it is lossy, but keeps the length and the
    timing. Its rates are 8, 12, 16, 24 and 48 kHz; every file has its own serial number.

    Returns:
        The digest of the file, for its manifest.
    """
    # The file is encoded in memory, so that a full disk raises an OSError with its cause.
    encoded = io.BytesIO()
    if (format, subtype) == ("WAV", "PCM_16"):
        with wave.open(encoded, "wb") as file:
            file.setparams((1, 2, sample_rate, len(samples), "NONE", ""))
            file.writeframes(to_16_bit(samples).tobytes())
    else:
        level = OPUS_LEVEL if subtype == "OPUS" else None
        sf.write(encoded, samples, sample_rate, subtype, format=format, compression_level=level)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
    return digest_of(encoded.getbuffer())


@contextmanager
def writing(path: Path | str, samples: int, sample_rate: int) -> Iterator[Callable[[Samples], str]]:
    """Write a 32-bit float WAV of `samples` samples atomically, part by part.

    Yields:
        A function that writes the next part, `[time]`, and returns the digest of the file up to
        its end; earlier parts are not kept in memory.
    """
    content = hashlib.sha256()
    # libsndfile is not used, so that a full disk raises an OSError with its cause.
    with replacing(path) as temporary, temporary.open("wb") as file:

        def write_next(encoded: bytes) -> str:
            file.write(encoded)
            content.update(encoded)
            return content.hexdigest()[:DIGEST_DIGITS]

        write_next(_float_header(samples, sample_rate))
        yield lambda part: write_next(part.astype("<f4").tobytes())


def _float_header(samples: int, sample_rate: int) -> bytes:
    """Header of a WAV with one channel of 32-bit float: RIFF, `fmt `, `fact`, start of `data`."""
    size, form = 4 * samples, struct.pack("<HHIIHHH", 3, 1, sample_rate, 4 * sample_rate, 4, 32, 0)
    fact = struct.pack("<4sII", b"fact", 4, samples)
    chunks = struct.pack("<4sI", b"fmt ", len(form)) + form + fact
    chunks += struct.pack("<4sI", b"data", size)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks) + size, b"WAVE") + chunks


def check_flac(path: Path | str) -> None:
    """Compare the samples of a FLAC with the MD5 that its encoder wrote into it.

    The MD5 covers the samples of all channels, interleaved, as little-endian integers of as many
    whole bytes as a sample needs (RFC 9639, 8.2).

    Raises:
        PipelineError: the file is unreadable, has no MD5, or its samples differ from it.
    """
    _check_file(path)
    with Path(path).open("rb") as file:
        head = file.read(FLAC_HEAD)
    if head[:4] != b"fLaC" or len(head) < FLAC_HEAD:
        raise PipelineError(f"{path}: is not a FLAC file; fetch the file again or remove it")
    expected, bits = head[26:42], ((head[20] & 1) << 4 | head[21] >> 4) + 1
    if not any(expected):
        raise PipelineError(f"{path}: carries no MD5 of its sound; encode it again")
    width, found = (bits + 7) // 8, hashlib.md5(usedforsecurity=False)
    with opened(path) as sound:
        for part in parts_of(sound, sound.frames, "int32"):
            steps = (part >> (32 - bits)).astype("<i4").view(np.uint8)
            found.update(steps.reshape(-1, 4)[:, :width].tobytes())
    if found.digest() != expected:
        raise PipelineError(
            f"{path}: its sound is not what was encoded (MD5 differs);"
            " fetch the file again or remove it"
        )


def to_16_bit(samples: Samples) -> NDArray[np.int16]:
    """Convert `[time]` in -1…1 to 16-bit integers, clipped.

    The result equals that of libsndfile to the bit, in half the time.

    >>> to_16_bit(np.array([-1, 0.5, 1], np.float32)).tolist()
    [-32768, 16384, 32767]
    """
    scaled = np.clip(np.rint(samples * np.float32(2**31)), -(2**31), 2**31 - 128)
    return (scaled.astype(np.int32) >> 16).astype("<i2")


@contextmanager
def opened(path: Path | str) -> Iterator[sf.SoundFile]:
    """Open a file whose header is plausible; errors of libsndfile become one line in words."""
    _check_file(path)
    try:
        # The file is opened once, for libsndfile and for our own checks.
        with ExitStack() as closing:
            raw = closing.enter_context(Path(path).open("rb", 0)).fileno()
            sound = find_sound(raw)
            if missing := missing_end(raw, sound):  # libsndfile reads the samples that are there
                raise PipelineError(
                    f"{path}: truncated, {missing}; fetch the file again or remove it"
                )
            mended = repaired(path, sound)
            source = closing.enter_context(mended) if mended else raw
            file = closing.enter_context(sf.SoundFile(source, closefd=False))
            _check_header(path, file)
            yield file
    except (sf.LibsndfileError, PermissionError) as error:
        raise PipelineError(_unreadable(path, error)) from error


def _check_file(path: Path | str) -> None:
    try:
        if not Path(path).is_file():  # opening a pipe would wait forever
            raise PipelineError(_unreadable(path, OSError("not a file")))
    except PermissionError as error:  # of a folder in its path
        raise PipelineError(_unreadable(path, error)) from error


def _facts(file: sf.SoundFile) -> AudioInfo:
    return AudioInfo(file.samplerate, file.frames, file.channels)


def parts_of(file: sf.SoundFile, wanted: int, dtype: Literal["float32", "int32"]) -> Iterator[Any]:
    """Blocks `[time, channels]`, `wanted` samples in all; memory does not depend on the header."""
    most = max(1, AT_ONCE // file.channels)
    while wanted > 0 and len(part := file.read(min(wanted, most), dtype, always_2d=True)):
        wanted -= len(part)
        yield part


def _check_header(path: Path | str, file: sf.SoundFile) -> None:
    """Refuse impossible sample rates, empty files, and files of unknown length."""
    if file.format not in WHOLE:
        raise PipelineError(
            f"{path}: its format does not show whether it is whole ({file.format_info});"
            " convert it to WAV or FLAC, or remove it"
        )
    if file.samplerate not in RATES:
        raise PipelineError(
            f"{path}: its header says {file.samplerate} Hz, which no recording has;"
            " fetch the file again or remove it"
        )
    if file.frames <= 0:
        raise PipelineError(f"{path}: holds no samples; fetch the file again or remove it")
    if file.frames == UNKNOWN_LENGTH:
        raise PipelineError(f"{path}: its header gives no length; encode it again into a file")


def _unreadable(path: Path | str, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: may not be read; check its permissions"
    if not Path(path).exists():
        return f"{path}: no such file; check the path, or run the same command again"
    reason = str(error).split(": ")[-1].strip().rstrip(".")
    return f"{path}: cannot be read as audio ({reason}); fetch the file again or remove it"
