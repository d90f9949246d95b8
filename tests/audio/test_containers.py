"""Truncated files in every container, and files from a pipe, whose header has no true length."""

import io
import struct

import numpy as np
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.errors import PipelineError

RATE = 8000
NOISE = np.random.default_rng(0).uniform(-0.9, 0.9, 4000)
CURE = "; fetch the file again or remove it"
# Format, subtype, byte order, and the encoding of the sizes in the header.
CONTAINERS = {
    "RIFF": ("WAV", "PCM_16", "FILE"),
    "RIFX": ("WAV", "PCM_16", "BIG"),
    "RF64": ("RF64", "PCM_16", "FILE"),
    "W64": ("W64", "PCM_16", "FILE"),
    "SPHERE": ("NIST", "PCM_16", "FILE"),
    "SPHERE, big-endian": ("NIST", "PCM_16", "BIG"),
    "AIFF": ("AIFF", "PCM_16", "FILE"),
    "AIFC": ("AIFF", "PCM_16", "LITTLE"),
    "AU": ("AU", "PCM_16", "FILE"),
    "AU, little-endian": ("AU", "PCM_16", "LITTLE"),
    "CAF": ("CAF", "PCM_16", "FILE"),
}


def encoded(format, subtype="PCM_16", endian="FILE", samples=NOISE):
    file = io.BytesIO()
    sf.write(file, samples, RATE, format=format, subtype=subtype, endian=endian)
    return bytearray(file.getvalue())


def read_samples(path):
    """The samples of a file; `info` must give their number."""
    samples, _ = audio.read(path)
    assert audio.info(path).samples == len(samples)
    return samples


def refused(path):
    lines = set()
    for function in (audio.info, audio.read):
        with pytest.raises(PipelineError) as error:
            function(path)
        lines.add(str(error.value))
    (line,) = lines
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", CONTAINERS)
def test_half_a_file_is_refused_in_every_container(tmp_path, name):
    content = encoded(*CONTAINERS[name])
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    whole = read_samples(path)
    assert np.abs(whole - NOISE).max() < 1e-4
    path.write_bytes(content + b"note\0\0\0\0")  # a file may hold more than its header claims
    assert np.array_equal(read_samples(path)[: len(whole)], whole)
    path.write_bytes(content[:-2000])
    assert refused(path) == f"truncated, 6000 of 8000 bytes of sound are there{CURE}"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("missing", [1, 100, 1000, 2000])
def test_an_ogg_without_its_last_page_is_refused(tmp_path, subtype, missing):
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 8 * RATE)
    content = encoded("OGG", subtype, samples=noise)
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    assert len(read_samples(path)) == len(noise)
    path.write_bytes(content[:-missing])
    held = len(content) - missing
    line = f"truncated, its Ogg stream does not end within the {held} bytes that are there"
    assert refused(path) == line + CURE


def test_an_ogg_cut_between_two_pages_is_refused(tmp_path):
    content = encoded("OGG", "VORBIS", samples=np.tile(NOISE, 20))
    (tmp_path / "a.flac").write_bytes(content[: content.rfind(b"OggS")])
    assert refused(tmp_path / "a.flac").startswith("truncated, its Ogg stream does not end within")


@pytest.mark.parametrize("format", ["SVX", "VOC", "IRCAM", "PAF", "AVR", "PVF", "MAT5"])
def test_a_format_whose_end_cannot_be_checked_is_refused(tmp_path, format):
    (tmp_path / "a.wav").write_bytes(encoded(format))
    line = refused(tmp_path / "a.wav")
    assert line.startswith("its format does not show whether it is whole (")
    assert line.endswith("); convert it to WAV or FLAC, or remove it")


def with_length(content, name, length, order="<", packed="I", after=0):
    """The file with another number after the name of a chunk."""
    place = content.index(name) + len(name) + after
    put = struct.pack(order + packed, length)
    return content[:place] + put + content[place + len(put) :]


# SoX, which rounds to whole samples; arecord; ffmpeg, and others that subtract the header.
PIPED = [0, 0x7FFFF000, 0x7FFFEFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36]


@pytest.mark.parametrize("length", PIPED)
@pytest.mark.parametrize("endian, order", [("FILE", "<"), ("BIG", ">")])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_from_a_pipe_is_read_whole(tmp_path, length, endian, order, subtype):
    """Programs that write to a pipe cannot go back to fill in the length."""
    content = encoded("WAV", subtype, endian)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    whole = read_samples(path)
    path.write_bytes(with_length(content, b"data", length, order))
    assert np.array_equal(read_samples(path), whole)
    assert np.array_equal(audio.read(path, 1000, 500)[0], whole[1000:1500])


@pytest.mark.parametrize("length", [0, 2**63 - 1, 2**64 - 1])
def test_other_containers_from_a_pipe_are_read_whole(tmp_path, length):
    rf64 = with_length(encoded("RF64"), b"ds64", length, packed="Q", after=4 + 8)
    w64 = encoded("W64")
    w64 = with_length(w64, b"data", length, packed="Q", after=12)
    short = min(length, 0xFFFFFFFF)
    aiff = with_length(encoded("AIFF"), b"SSND", short + 8 if short == 0 else short, ">")
    au = with_length(encoded("AU"), b".snd", short, ">", after=4)
    caf = with_length(encoded("CAF"), b"data", -1, ">", "q")
    for content in (rf64, w64, aiff, au, caf):
        (tmp_path / "a.wav").write_bytes(content)
        assert np.abs(read_samples(tmp_path / "a.wav") - NOISE).max() < 1e-4


@pytest.mark.parametrize("length", [8002, 0x7FFF0000, 0x7FFFF000 - 64, 0x90000000])
def test_a_length_that_is_neither_true_nor_that_of_a_pipe_is_refused(tmp_path, length):
    (tmp_path / "a.wav").write_bytes(with_length(encoded("WAV"), b"data", length))
    assert refused(tmp_path / "a.wav").startswith(f"truncated, 8000 of {length} bytes of sound")


@pytest.mark.parametrize("behind", [b"", b"LIST\x04\0\0\0abcd", b"id3 \x02\0\0\0abbext\0\0\0\0"])
def test_an_empty_wav_is_called_empty(tmp_path, behind):
    content = encoded("WAV", samples=NOISE[:0])
    (tmp_path / "a.wav").write_bytes(content + behind)
    assert refused(tmp_path / "a.wav").startswith("holds no samples")


@pytest.mark.parametrize("count", [b"0", b"9" * 5000, b"-1", b"many"])
def test_a_sphere_without_a_true_count_is_read_to_its_end(tmp_path, count):
    content = encoded("NIST")
    text = content[:1024].rstrip(b"\0").replace(b"   1024", b"   8192")
    text = text.replace(b"sample_count -i 4000", b"sample_count -i " + count)
    (tmp_path / "a.wav").write_bytes(text.ljust(8192, b"\0") + content[1024:])
    assert np.abs(read_samples(tmp_path / "a.wav") - NOISE).max() < 1e-4


def test_a_compressed_sphere_is_not_called_truncated(tmp_path):
    content = encoded("NIST").replace(b"-s3 pcm\n", b"-s26 pcm,embedded-shorten-v2.00\n")
    (tmp_path / "a.wav").write_bytes(content[:3000])
    assert refused(tmp_path / "a.wav").startswith("cannot be read as audio (")
