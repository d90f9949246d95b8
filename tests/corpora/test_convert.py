import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import digest_of, read_manifest
from pipeline.corpora.convert import convert, convert_shard, loudness
from pipeline.corpora.scan import scan_noise, scan_speech


@pytest.fixture
def scan(corpus):
    """The scan of a corpus of three splits with two speakers each."""
    corpus.fill(speakers=2, utterances=1)
    scan_speech(corpus.spoken, 2, corpus.root / "scan/speech.csv")
    return corpus.root / "scan/speech.csv"


def converted(scan, shard="1-of-1", rate=8000, folder="out"):
    out = scan.parent / folder / shard
    convert_shard(scan, out, shard, rate)
    return read_manifest(out / "index.csv")


def refused(scan):
    with pytest.raises(PipelineError) as error:
        converted(scan)
    assert not list(scan.parent.rglob("index.csv"))
    return str(error.value)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_files_are_mono_16_bit_wavs_with_their_facts(scan, rate):
    before, table = read_manifest(scan), converted(scan, rate=rate)
    facts = ["samples", "lufs", "rms", "peak", "digest"]
    assert list(table.columns) == [*before.columns, "original_path", *facts]
    assert list(table["original_path"]) == list(before["path"])
    added = ["path", "original_path", *facts]
    assert table.drop(columns=added).equals(before.drop(columns="path"))
    for source, row in zip(before["path"], table.to_dict("records"), strict=True):
        header = sf.info(row["path"])
        assert (header.format, header.subtype) == ("WAV", "PCM_16")
        expected = round(audio.info(source).samples * rate / 16000)
        assert audio.info(row["path"]) == (rate, row["samples"], 1)
        assert row["samples"] == expected
        samples, _ = sf.read(row["path"])
        measured = pyloudnorm.Meter(rate).integrated_loudness(samples)
        assert row["lufs"] == pytest.approx(measured, abs=0.01)
        power = 20 * np.log10(np.sqrt(np.mean(samples**2)))
        assert row["rms"] == pytest.approx(power, abs=0.01)
        assert row["peak"] == pytest.approx(abs(samples).max(), abs=2 / 32768)
        assert row["digest"] == digest_of(Path(row["path"]).read_bytes())


def test_the_sound_is_that_of_the_source(scan):
    row, source = converted(scan).iloc[0], read_manifest(scan)["path"][0]
    expected = audio.resample(*audio.read(source), 8000)
    assert np.abs(audio.read_at(row["path"], 8000) - expected).max() < 1.5 / 32768


def test_full_scale_stays_within_full_scale(tmp_path):
    """A square wave overshoots by 18 % if its upper harmonics are removed."""
    square = np.where(np.arange(16000) % 64 < 32, 1, -1).astype(np.float32)
    audio.write(tmp_path / "a.flac", square, 16000, format="FLAC")
    facts = convert(tmp_path / "a.flac", tmp_path / "a.wav", 8000)
    samples = audio.read_at(tmp_path / "a.wav", 8000)
    assert facts["peak"] == 1.0 and abs(samples).max() <= 1
    assert (abs(samples) > 0.999).mean() < 0.05  # scaled, not clipped
    assert facts["lufs"] == pytest.approx(loudness(samples, 8000), abs=0.01)


def test_shards_are_parts_of_the_whole(scan):
    whole = converted(scan).drop(columns="path")
    parts = [converted(scan, f"{k}-of-4").drop(columns="path") for k in (1, 2, 3, 4)]
    assert [row for part in parts for row in part.to_dict("records")] == whole.to_dict("records")


def test_a_shard_without_rows_has_its_columns(scan):
    table = converted(scan, "1-of-7")
    assert len(table) == 0
    assert list(table.columns) == list(converted(scan).columns)


def test_converting_again_gives_the_same_bytes(scan):
    def digests(folder):
        converted(scan, folder=folder)
        files = sorted((scan.parent / folder).rglob("*.*"))
        assert len(files) == 7
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    assert digests("first") == digests("second")


def test_every_bad_file_is_named(scan):
    silent, holed, cut, whole = read_manifest(scan)["path"][:4]
    audio.write(silent, np.full(16000, 5e-5, np.float32), 16000)
    audio.write(holed, np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    os.truncate(cut, 9000)
    message = refused(scan)
    assert f"{silent}: is silent (below -80 dBFS); remove it from the corpus" in message
    assert f"{holed}: holds NaN or infinite samples" in message
    assert f"{cut}: cannot be read as audio" in message
    assert whole not in message and "\n" not in message


def test_a_vanished_file_is_named(scan):
    path = read_manifest(scan)["path"][0]
    Path(path).unlink()
    assert refused(scan).startswith(f"{path}: no such file")


def test_several_channels_are_counted_once_and_the_first_used(corpus, caplog):
    for split in corpus.subsets:
        corpus.hiss(split, "mono")
    stereo = [corpus.hiss("train", f"stereo{k}", channels=2) for k in (1, 2)]
    scan_noise(corpus.noises, corpus.root / "noise.csv")
    with caplog.at_level(logging.WARNING):
        table = converted(corpus.root / "noise.csv", rate=16000).set_index("noise")
    assert caplog.messages == ["2 files have several channels; their first channel is used"]
    left = sf.read(stereo[1])[0][:, 0]
    assert np.abs(audio.read_at(table.loc["stereo2", "path"], 16000) - left).max() < 1.5 / 32768


@pytest.mark.parametrize(
    "sounding, line",
    [
        ([1], "channel 2 is not; replace the file with one of channel 2 alone"),
        ([1, 3], "channels 2, 4 are not; replace the file with one of channel 2 alone"),
    ],
)
def test_a_channel_that_is_not_silent_is_offered(scan, sounding, line):
    path = read_manifest(scan)["path"][0]
    samples, rate = sf.read(path)
    channels = np.full((len(samples), 4), 5e-5)
    channels[:, sounding] = samples[:, None]
    sf.write(path, channels, rate)
    assert refused(scan) == (
        f"{path}: channel 1 is silent (below -80 dBFS), {line}, or remove it from the corpus"
    )
    sf.write(path, sf.read(path)[0][:, 1], rate)  # the cure
    converted_again = converted(scan)
    assert np.abs(audio.read_at(converted_again["path"][0], 8000)).max() > 0.1


def test_channels_that_are_all_silent_are_silent(scan):
    path = read_manifest(scan)["path"][0]
    sf.write(path, np.full((16000, 2), 5e-5), 16000)
    assert refused(scan) == f"{path}: is silent (below -80 dBFS); remove it from the corpus"


def test_other_rates_are_reported_once_each_with_a_count(corpus, caplog):
    for split in corpus.subsets:
        corpus.hiss(split, "same")
    for name, rate in (("a", 8000), ("b", 8000), ("c", 11025), ("d", 48000)):
        path = corpus.hiss("train", name)
        sf.write(path, sf.read(path)[0], rate)
    scan_noise(corpus.noises, corpus.root / "noise.csv")
    with caplog.at_level(logging.INFO):
        caplog.clear()
        converted(corpus.root / "noise.csv", rate=16000)
    assert caplog.messages == [
        "2 files are resampled from 8000 to 16000 Hz; they hold nothing above 4000 Hz",
        "1 files are resampled from 11025 to 16000 Hz; they hold nothing above 5512 Hz",
        "1 files are resampled from 48000 to 16000 Hz",
    ]
    assert [r.levelname for r in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_noises_of_one_name_in_two_folders_are_two_files(corpus):
    for split in corpus.subsets:
        corpus.hiss(split, "rain")
    corpus.hiss("train", "street/rain", 1.5)
    scan_noise(corpus.noises, corpus.root / "noise.csv")
    table = converted(corpus.root / "noise.csv").set_index("noise")
    assert Path(table["path"]["street_rain"]).name == "street_rain.wav"
    assert list(table["samples"][:2]) == [16000, 12000]


def recorded(corpus, offset, name="a", loud=0.02):
    """A recording of noise with a constant offset, in 24 bit."""
    hiss = loud * np.random.default_rng(7).standard_normal(32000)
    path = corpus.noise / f"tr/{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, hiss + offset, 16000, subtype="PCM_24")
    return path


@pytest.mark.parametrize("offset", [0.01, 0.05, -0.25])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_constant_offset_is_removed(corpus, tmp_path, offset, rate):
    plain, shifted = recorded(corpus, 0), recorded(corpus, offset, "b")
    wanted = convert(plain, tmp_path / "plain.wav", rate)
    facts = convert(shifted, tmp_path / "shifted.wav", rate)
    assert (wanted.pop("offset"), facts.pop("offset")) == (False, True)
    assert wanted.pop("digest") != facts.pop("digest")  # of the least significant steps
    assert facts == pytest.approx(wanted, abs=1e-2)
    one, other = (audio.read_at(tmp_path / f"{n}.wav", rate) for n in ("plain", "shifted"))
    noise_mean = 0.02 / np.sqrt(32000) * 5  # the offset includes the mean of the noise itself
    assert np.abs(one - other).max() < 1.5 / 32768 + noise_mean
    assert abs(other.mean()) < 1 / 32768


def test_offsets_are_counted_and_reported(corpus, caplog):
    for split in corpus.subsets:
        corpus.hiss(split, "plain")
    recorded(corpus, 0.05, "b"), recorded(corpus, -0.01, "c"), recorded(corpus, 0.003, "d")
    scan_noise(corpus.noises, corpus.root / "noise.csv")
    with caplog.at_level(logging.WARNING):
        converted(corpus.root / "noise.csv")
    assert caplog.messages == ["2 files have a constant offset; it is removed"]


def test_a_small_offset_of_a_quiet_recording_is_removed_too(corpus, tmp_path):
    """The level of a speaker at -54 dBFS is raised by 25 dB or more, and so is the offset."""
    facts = convert(recorded(corpus, 0.004, loud=0.002), tmp_path / "a.wav", 16000)
    assert abs(audio.read_at(tmp_path / "a.wav", 16000).mean()) < 1 / 32768
    assert facts["offset"] and facts["rms"] == pytest.approx(20 * np.log10(0.002), abs=0.1)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("offset", [0.5, 0.05, -0.01, 0.001])
def test_a_dead_microphone_with_an_offset_is_silent(tmp_path, offset, rate):
    samples = np.full(16000, offset, np.float32)
    samples[::100] += 5e-5
    audio.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(PipelineError, match=r"a\.wav: is silent \(below -80 dBFS\); remove it"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav", rate)
    assert not (tmp_path / "b.wav").exists()


def test_samples_that_overflow_in_resampling_are_refused(tmp_path):
    square = np.where(np.arange(16000) % 64 < 32, 3.3e38, -3.3e38).astype(np.float32)
    audio.write(tmp_path / "a.wav", square, 16000, "FLOAT")
    with pytest.raises(PipelineError, match=r"a\.wav: holds samples beyond any level; mend or"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav", 8000)


def test_samples_without_offset_stay_the_same_to_the_bit(corpus, voice, tmp_path):
    voices = [voice(seed, 1.0) for seed in range(3)]
    voices.append(voices[0] + np.float32(0.003))  # -50 dBFS, 0.1 % of the power
    for samples in voices:
        audio.write(tmp_path / "a.flac", samples, 16000, format="FLAC")
        facts = convert(tmp_path / "a.flac", tmp_path / "a.wav", 8000)
        plain = audio.resample(*audio.read(tmp_path / "a.flac"), 8000)
        audio.write(tmp_path / "plain.wav", plain, 8000)
        assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "plain.wav").read_bytes()
        power = np.square(plain, dtype=np.float64).mean()
        assert facts["rms"] == float(10 * np.log10(power))
        assert facts["lufs"] == loudness(plain, 8000) and facts["peak"] == abs(plain).max()


def test_loudness_is_that_of_the_standard():
    """BS.1770: a sine of 997 Hz at full scale in one channel reads -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000).astype(np.float32)
    assert loudness(sine, 48000) == pytest.approx(-3.01, abs=0.05)
    assert loudness(sine / 10, 48000) == pytest.approx(-23.01, abs=0.05)


@pytest.mark.parametrize("samples", [np.ones(3199), np.zeros(8000), np.full(8000, 1e-6)])
def test_loudness_of_short_or_silent_signals_is_undefined(samples):
    assert np.isnan(loudness(samples.astype(np.float32), 8000))
