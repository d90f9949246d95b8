import os
import re
import resource

import numpy as np
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import digest_of

RATE = 8000
RNG = np.random.default_rng(0)
NOISE = RNG.uniform(-1, 1, 4000).astype(np.float32)


def tone(hertz, rate, seconds=1.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("f4")


def refused(function, path, *arguments):
    """The one line with which `function` refuses `path`, without the path."""
    with pytest.raises(PipelineError) as error:
        function(path, *arguments)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "subtype, format, step",
    [("PCM_16", "WAV", 1 / 32768), ("PCM_16", "FLAC", 1 / 32768), ("FLOAT", "WAV", 0)],
)
def test_written_samples_are_read_back(tmp_path, subtype, format, step):
    audio.write(tmp_path / "new/folder/a", NOISE, RATE, subtype=subtype, format=format)
    samples, rate = audio.read(tmp_path / "new/folder/a")
    assert rate == RATE and samples.dtype == np.float32
    assert samples.shape == NOISE.shape
    # libsndfile writes with 32767 and reads with 32768: a step at full scale beside half of one.
    assert np.abs(samples - NOISE).max() <= 1.5 * step
    assert sf.info(tmp_path / "new/folder/a").subtype == subtype
    assert audio.info(tmp_path / "new/folder/a") == (RATE, len(NOISE), 1)


def test_samples_written_part_by_part_are_read_back(tmp_path):
    with audio.writing(tmp_path / "new/a.wav", len(NOISE), RATE) as write:
        for part in np.split(NOISE, [1, 1000, 1000, 3999]):
            write(part)
    header = sf.info(tmp_path / "new/a.wav")
    assert (header.format, header.subtype, header.channels) == ("WAV", "FLOAT", 1)
    assert audio.info(tmp_path / "new/a.wav") == (RATE, len(NOISE), 1)
    assert np.array_equal(audio.read(tmp_path / "new/a.wav")[0], NOISE)
    assert np.array_equal(sf.read(tmp_path / "new/a.wav", dtype="float32")[0], NOISE)


def test_the_writer_is_given_the_digest_of_the_file(tmp_path):
    for name, options in {"a.wav": {}, "a.flac": {"format": "FLAC"}}.items():
        told = audio.write(tmp_path / name, NOISE, RATE, **options)
        assert told == digest_of((tmp_path / name).read_bytes())
    with audio.writing(tmp_path / "parts.wav", len(NOISE), RATE) as write:
        told = [write(part) for part in np.split(NOISE, 4)]
    assert told[-1] == digest_of((tmp_path / "parts.wav").read_bytes())


def test_an_interrupted_write_leaves_no_file(tmp_path):
    with pytest.raises(KeyError), audio.writing(tmp_path / "a.wav", 10, RATE) as write:
        write(NOISE[:5])
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_float_keeps_samples_above_full_scale(tmp_path):
    audio.write(tmp_path / "a.wav", 3 * NOISE, RATE, subtype="FLOAT")
    assert np.array_equal(audio.read(tmp_path / "a.wav")[0], 3 * NOISE)


def test_the_first_channel_of_several_is_read(tmp_path):
    audio.write(tmp_path / "a.wav", np.stack([NOISE, -NOISE], axis=1), RATE, subtype="FLOAT")
    assert np.array_equal(audio.read(tmp_path / "a.wav")[0], NOISE)
    assert audio.info(tmp_path / "a.wav").channels == 2


def test_the_swing_of_each_channel_is_its_peak_without_an_offset(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.audio.files.AT_ONCE", 1000)
    wave = np.concatenate([np.zeros(2000), tone(100, RATE, 0.1), np.zeros(2000)])
    channels = np.stack([wave, 0.25 - wave / 4, 0 * wave], axis=1)
    audio.write(tmp_path / "a.wav", channels.astype("f4"), RATE, subtype="FLOAT")
    assert audio.channel_swings(tmp_path / "a.wav") == pytest.approx([0.5, 0.125, 0], abs=1e-6)


@pytest.mark.parametrize("step", [-32768, -2, -1, 0, 1, 2, 777, 32767])
def test_a_sample_just_below_a_step_is_rounded_to_that_step(tmp_path, step):
    """The nearest 32-bit step is taken, and its upper half is kept, as in libsndfile."""
    values = (step * 2**16 + np.array([-0.7, -0.3, 0, 0.3, 0.7])) / 2**31
    samples = values.astype(np.float32)
    nearest = np.rint(samples.astype(np.float64) * 2**31)
    expected = np.clip(nearest // 2**16, -32768, 32767)
    assert audio.to_16_bit(samples).tolist() == expected.tolist()
    sf.write(tmp_path / "a.wav", samples, RATE, "PCM_16")
    assert np.array_equal(audio.to_16_bit(samples), sf.read(tmp_path / "a.wav", dtype="int16")[0])


@pytest.mark.parametrize("suffix", ["WAV", "FLAC"])
@pytest.mark.parametrize("start, samples", [(0, 10), (1234, 500), (3999, 1), (3000, -1)])
def test_a_part_is_read(tmp_path, start, samples, suffix):
    audio.write(tmp_path / "a", NOISE, RATE, format=suffix)
    whole = audio.read_at(tmp_path / "a", RATE)
    end = len(NOISE) if samples < 0 else start + samples
    part = audio.read_at(tmp_path / "a", RATE, start, samples)
    assert np.array_equal(part, whole[start:end])


@pytest.mark.parametrize("start, samples", [(3999, 2), (4000, -1), (4000, 1), (9000, -1)])
def test_a_part_beyond_the_end_is_refused(tmp_path, start, samples):
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    line = refused(audio.read, tmp_path / "a.wav", start, samples)
    assert line.startswith("ends at sample ")
    assert line.endswith(", more are expected; fetch or make the file again")
    audio.write(tmp_path / "a.wav", np.resize(NOISE, 9001), RATE)
    assert len(audio.read(tmp_path / "a.wav", start, samples)[0]) == (
        samples if samples > 0 else 9001 - start
    )


def test_another_rate_is_refused(tmp_path):
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    message = refused(audio.read_at, tmp_path / "a.wav", 16000)
    assert message == "is at 8000 Hz where 16000 Hz is expected; fetch or make the file again"
    audio.write(tmp_path / "a.wav", NOISE, 16000)
    assert len(audio.read_at(tmp_path / "a.wav", 16000)) == len(NOISE)


@pytest.mark.parametrize("function", [audio.info, audio.read])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.raw"])
def test_a_file_that_is_not_audio_is_refused(tmp_path, function, name):
    path = tmp_path / name
    assert refused(function, path).startswith("no such file; check the path")
    for content in (b"", b"RIFF", b"garbage" * 500):
        path.write_bytes(content)
        assert refused(function, path).startswith("cannot be read as audio (")
    path.unlink()
    path.mkdir()
    assert refused(function, path).startswith("cannot be read as audio (")


@pytest.mark.parametrize("function", [audio.info, audio.read])
def test_a_file_without_samples_is_refused(tmp_path, function):
    audio.write(tmp_path / "a.wav", NOISE[:0], RATE)
    assert refused(function, tmp_path / "a.wav").startswith("holds no samples")


@pytest.mark.parametrize("part", [0.01, 0.5, 0.999])
def test_a_truncated_flac_is_refused(tmp_path, part):
    audio.write(tmp_path / "a.flac", NOISE, RATE, format="FLAC")
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: int(part * len(content))])
    assert refused(audio.read, tmp_path / "a.flac").startswith("cannot be read as audio (")


@pytest.mark.parametrize("function", [audio.info, audio.read])
@pytest.mark.parametrize("subtype, width", [("PCM_16", 2), ("FLOAT", 4)])
@pytest.mark.parametrize("missing", [1, 2000, 7000])
def test_a_truncated_wav_is_refused(tmp_path, function, subtype, width, missing):
    audio.write(tmp_path / "a.wav", NOISE, RATE, subtype=subtype)
    os.truncate(tmp_path / "a.wav", (tmp_path / "a.wav").stat().st_size - missing)
    held, size = len(NOISE) * width - missing, len(NOISE) * width
    message = refused(function, tmp_path / "a.wav")
    assert message.startswith(f"truncated, {held} of {size} bytes of sound are there")


def test_a_wav_with_more_after_its_sound_is_read(tmp_path):
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    with (tmp_path / "a.wav").open("ab") as file:
        file.write(b"LIST\x04\0\0\0abcd")
    assert len(audio.read(tmp_path / "a.wav")[0]) == len(NOISE)


@pytest.mark.parametrize("missing", [0, 10])
def test_the_end_of_a_wav_is_found_behind_other_chunks(tmp_path, missing):
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    content = (tmp_path / "a.wav").read_bytes()
    odd = b"note\x03\0\0\0abc\0"  # of three bytes, padded to four
    (tmp_path / "a.wav").write_bytes((content[:36] + odd + content[36:])[: -missing or None])
    if missing:
        assert refused(audio.info, tmp_path / "a.wav").startswith("truncated, 7990 of 8000")
    else:
        assert audio.info(tmp_path / "a.wav").samples == len(NOISE)


def test_a_wav_from_a_pipe_is_read(tmp_path):
    """Programs that write to a pipe cannot go back to fill in the length."""
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    content = (tmp_path / "a.wav").read_bytes()
    assert content[36:40] == b"data"
    (tmp_path / "a.wav").write_bytes(content[:40] + b"\xff" * 4 + content[44:])
    assert len(audio.read(tmp_path / "a.wav")[0]) == len(NOISE)


@pytest.mark.parametrize("function", [audio.info, audio.read])
def test_a_flac_from_a_pipe_is_refused(tmp_path, function):
    audio.write(tmp_path / "a.flac", NOISE, RATE, format="FLAC")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])  # STREAMINFO's number of samples
    (tmp_path / "a.flac").write_bytes(content)
    assert refused(function, tmp_path / "a.flac").startswith("its header gives no length")


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_header_that_claims_too_much_takes_no_memory(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    audio.write(path, NOISE, RATE, format="FLAC")
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] | 0x0F, 255, 255, 255, 255])  # 2**36 - 1 samples, 256 GiB
    path.write_bytes(content)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, before[1]))
    try:
        assert refused(audio.read, path)
        assert refused(audio.check_flac, path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused(tmp_path, rate):
    audio.write(tmp_path / "a.wav", NOISE, rate)
    for function in (audio.info, audio.read):
        message = refused(function, tmp_path / "a.wav")
        assert message.startswith(f"its header says {rate} Hz, which no recording has")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for function in (audio.info, audio.read, audio.check_flac):
        assert refused(function, tmp_path / "a.wav").startswith("cannot be read as audio (not a f")


def test_several_parts_are_joined(tmp_path, monkeypatch):
    audio.write(tmp_path / "a.flac", np.stack([NOISE, -NOISE], axis=1), RATE, format="FLAC")
    whole, _ = audio.read(tmp_path / "a.flac")
    monkeypatch.setattr("pipeline.audio.files.AT_ONCE", 1000)
    assert np.array_equal(audio.read(tmp_path / "a.flac")[0], whole)
    assert np.array_equal(audio.read(tmp_path / "a.flac", 700, 1600)[0], whole[700:2300])
    audio.check_flac(tmp_path / "a.flac")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_a_number_is_refused(tmp_path, bad):
    audio.write(tmp_path / "a.wav", np.append(NOISE, np.float32(bad)), RATE, subtype="FLOAT")
    assert refused(audio.read, tmp_path / "a.wav").startswith("holds NaN or infinite samples")
    assert np.isfinite(audio.read(tmp_path / "a.wav", 0, len(NOISE))[0]).all()


def test_a_failing_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError):
        audio.write(tmp_path / "a.wav", NOISE, RATE, subtype="NONSENSE")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_and_names_the_file(tmp_path):
    (tmp_path / f".a.wav.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        audio.write(tmp_path / "a.wav", NOISE, RATE)
    assert error.value.filename == str(tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate, target", [(16000, 8000), (8000, 16000), (44100, 8000)])
def test_resampling_keeps_a_tone(rate, target):
    resampled = audio.resample(tone(1000, rate), rate, target)
    assert len(resampled) == target and resampled.dtype == np.float32
    inside = slice(target // 10, -target // 10)  # the filter rings at both ends
    assert np.abs(resampled - tone(1000, target))[inside].max() < 1e-3


def test_resampling_removes_a_tone_above_nyquist():
    resampled = audio.resample(tone(5000, 16000), 16000, 8000)
    assert np.abs(resampled[800:-800]).max() < 1e-4


def test_the_same_rate_changes_nothing():
    assert np.array_equal(audio.resample(NOISE, RATE, RATE), NOISE)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_is_checked_against_its_own_md5(tmp_path, subtype, channels):
    path = tmp_path / "a.flac"
    sf.write(path, NOISE.reshape(-1, channels), RATE, subtype=subtype, format="FLAC")
    audio.check_flac(path)
    content = bytearray(path.read_bytes())
    for place in (26, 41):  # the MD5's first and last byte
        content[place] ^= 1
        path.write_bytes(content)
        assert refused(audio.check_flac, path).startswith("its sound is not what was encoded")
        content[place] ^= 1


@pytest.mark.parametrize("place", range(200, 8000, 600))
def test_a_flipped_bit_of_a_flac_is_refused(tmp_path, place):
    audio.write(tmp_path / "a.flac", NOISE, RATE, format="FLAC")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[place % len(content)] ^= 4
    (tmp_path / "a.flac").write_bytes(content)
    assert refused(audio.check_flac, tmp_path / "a.flac")


def test_a_file_that_cannot_be_checked_is_refused(tmp_path):
    audio.write(tmp_path / "a.flac", NOISE, RATE, format="FLAC")
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "none.flac").write_bytes(content[:26] + bytes(16) + content[42:])
    assert refused(audio.check_flac, tmp_path / "none.flac").startswith("carries no MD5")
    audio.write(tmp_path / "a.wav", NOISE, RATE)
    assert refused(audio.check_flac, tmp_path / "a.wav").startswith("is not a FLAC file")
    (tmp_path / "a.flac").write_bytes(content[:40])
    assert refused(audio.check_flac, tmp_path / "a.flac").startswith("is not a FLAC file")


@pytest.mark.parametrize(
    "damage, line",
    [
        (lambda c: c[:26] + bytes(16) + c[42:], "carries no MD5 of its sound; encode it again"),
        (lambda c: c[:40], "is not a FLAC file; fetch the file again or remove it"),
        (
            lambda c: c[:26] + bytes([c[26] ^ 1]) + c[27:],
            r"its sound is not what was encoded \(MD5 differs\); fetch the file again or remove it",
        ),
    ],
)
def test_a_flac_is_right_once_its_line_is_followed(tmp_path, damage, line):
    path = tmp_path / "a.flac"
    audio.write(path, NOISE, RATE, format="FLAC")
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert re.fullmatch(line, refused(audio.check_flac, path))
    if "encode" in line:
        audio.write(path, *audio.read(path), format="FLAC")
    else:
        path.write_bytes(content)
    audio.check_flac(path)


@pytest.mark.parametrize("level", [1e-5, 0.1, 1.0, 4.0])
def test_16_bit_files_are_those_of_libsndfile(tmp_path, level):
    noise = np.random.default_rng(0).standard_normal(50000)
    samples = (level * noise).astype(np.float32)
    samples[:6] = [1, -1, 0, -0.0, 0.5 / 32768, -0.5 / 32768]
    audio.write(tmp_path / "ours.wav", samples, 16000)
    sf.write(tmp_path / "theirs.wav", samples, 16000, subtype="PCM_16")
    assert (tmp_path / "ours.wav").read_bytes() == (tmp_path / "theirs.wav").read_bytes()
