"""Audio files: written samples are read back, and no bytes crash, hang or fill the memory."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipeline import audio
from pipeline.base.errors import PipelineError

signals = st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=300).map(np.float32)
rates = st.sampled_from([8000, 16000, 44100, 96000])


def encoded(format, subtype, channels, frames=700):
    noise = np.random.default_rng(0).uniform(-1, 1, (frames, channels))
    file = io.BytesIO()
    sf.write(file, noise, 16000, format=format, subtype=subtype)
    return file.getvalue()


SEEDS = [
    ("WAV", "PCM_16", 1),
    ("WAV", "PCM_24", 2),
    ("WAV", "PCM_32", 1),
    ("WAV", "FLOAT", 3),
    ("WAV", "DOUBLE", 1),
    ("WAV", "PCM_U8", 1),
    ("WAV", "ULAW", 1),
    ("WAV", "IMA_ADPCM", 1),
    ("WAV", "MS_ADPCM", 1),
    ("WAV", "GSM610", 1),
    ("WAVEX", "PCM_16", 6),
    ("RF64", "PCM_16", 1),
    ("W64", "PCM_24", 1),
    ("NIST", "PCM_16", 2),
    ("FLAC", "PCM_S8", 1),
    ("FLAC", "PCM_16", 1),
    ("FLAC", "PCM_24", 8),
    ("OGG", "VORBIS", 1),
    ("OGG", "OPUS", 1),
    ("AIFF", "PCM_16", 1),
    ("AU", "PCM_16", 1),
    ("CAF", "ALAC_16", 1),
    ("MP3", "MPEG_LAYER_III", 1),
]
# `make fuzz` may also start from given recordings.
RECORDINGS = sorted(Path(os.environ.get("FUZZ_SEEDS") or "/nowhere").rglob("*.flac"))[:20]
files = st.sampled_from([encoded(*s) for s in SEEDS] + [p.read_bytes() for p in RECORDINGS])
# Extreme values of the fields of headers: sizes, rates, channels, bits.
numbers = st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])
fields = st.builds(lambda n, order: struct.pack(f"{order}I", n), numbers, st.sampled_from("<>"))
pieces = st.one_of(fields, st.binary(max_size=40), files.map(lambda f: f[:200]))


@st.composite
def damaged(draw):
    """A valid file after a few changes: bytes replaced, removed, inserted or cut off."""
    content = draw(files)
    for _ in range(draw(st.integers(1, 4))):
        # Half of the changes are in the header, where they have the largest effect.
        most = draw(st.sampled_from([60, len(content)]))
        place = draw(st.integers(0, max(0, min(most, len(content)))))
        piece = draw(pieces)
        end = place + draw(st.sampled_from([0, 1, len(piece), 100, len(content)]))
        content = content[:place] + piece + content[end:]
    return content


def assert_sound_or_one_line(path):
    for read in (audio.info, audio.read_with_info, audio.check_flac):
        try:
            given = read(path)
        except PipelineError as error:
            assert str(error).startswith(f"{path}: ") and len(str(error).splitlines()) == 1
            continue
        if read is audio.read_with_info:
            samples, header = given
            assert samples.shape == (header.samples,) and samples.dtype == np.float32
            assert np.isfinite(samples).all() and header == audio.info(path)


@given(signals, rates, st.sampled_from(["PCM_16", "FLOAT"]), st.sampled_from(["WAV", "FLAC"]))
def test_written_samples_are_read_back_whole_and_in_parts(example, signal, rate, subtype, format):
    subtype = "PCM_16" if format == "FLAC" else subtype
    path = example(b"", f".{format.lower()}")
    audio.write(path, signal, rate, subtype, format)
    found = audio.read_at(path, rate)
    kept = signal if subtype == "FLOAT" else np.clip(signal, -1, 1)
    # libsndfile writes with 32767 and reads with 32768: a step at full scale beside half of one.
    assert np.abs(found - kept).max() <= (0 if subtype == "FLOAT" else 1.5 / 32768)
    assert audio.info(path) == (rate, len(signal), 1)
    for start in (0, len(signal) // 3, len(signal) - 1):
        for samples in (-1, 1, len(signal) - start):
            part = audio.read_at(path, rate, start, samples)
            assert np.array_equal(part, found[start:][: None if samples < 0 else samples])
    if format == "FLAC":
        audio.check_flac(path)


@given(st.binary(max_size=2000), st.sampled_from([".wav", ".flac", ".ogg", ".raw"]))
def test_any_bytes_are_sound_or_refused(example, content, suffix):
    assert_sound_or_one_line(example(content, suffix))


@given(damaged(), st.sampled_from([".wav", ".flac"]))
def test_a_damaged_file_is_sound_or_refused(example, content, suffix):
    assert_sound_or_one_line(example(content, suffix))
