"""Noises that are silent for most of their time: every mixture has the requested SNR."""

import logging

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Training
from pipeline.corpora.convert import convert_shard
from pipeline.corpora.scan import scan_noise
from pipeline.mixtures.metadata import write_metadata
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render, render_shard
from pipeline.mixtures.stretch import read_stretch
from pipeline.tasks import SEPARATE
from pipeline.training.dynamic import FreshMixtures, fresh_mixtures

RATE = 8000


def hiss(samples, loud=0.1):
    """White noise."""
    return loud * np.random.default_rng(samples).standard_normal(samples)


def recording(*parts):
    """Stretches of 1000 samples at these levels in dB below full scale, None for zeros."""
    levels = [0 if part is None else 10 ** (part / 20) for part in parts]
    return np.concatenate([level * hiss(1000, 1) for level in levels]).astype(np.float32)


@pytest.fixture
def stretch(tmp_path_factory):
    """`stretch(samples, start, …)`: the samples read from a noise, and the start that is used."""

    def read(samples, start, length=1000, **row):
        # Levels are cached by path, and the folder of a passed test may be used by the next one.
        path = str(tmp_path_factory.mktemp("noise") / "noise.wav")
        audio.write(path, samples, RATE, "FLOAT")
        row = {"noise_source_path": path, "noise_start": start, "noise_snr": 0.0} | row
        piece, used = read_stretch(row, RATE, length)
        assert np.array_equal(piece, samples[used : used + length])
        return used

    return read


@pytest.mark.parametrize(
    "start, used",
    [(0, 0), (400, 400), (1500, 3000), (2000, 3000), (4000, 5000), (6000, 0), (6999, 0)],
)
def test_a_nearly_silent_stretch_is_replaced_by_the_next_that_is_not(stretch, start, used):
    samples = recording(-20, None, None, -30, None, -20, None, None)
    assert stretch(samples, start) == used


@pytest.mark.parametrize("level, used", [(-29.5, 1000), (-30.5, 2000)])
def test_nearly_silent_is_30_db_below_the_recording(stretch, level, used):
    below = level - 20 - 10 * np.log10(2)  # half of the recording is at -20 dB
    assert stretch(recording(-20, below, -20, below), 1000) == used


def test_the_end_of_a_recording_is_checked_too(stretch):
    samples = np.concatenate([recording(None, None, None), recording(-20)[:300]])
    assert stretch(samples, 0) == 2300


@pytest.mark.parametrize("length", [1, 37, 4000, 7999, 8000])
def test_one_stretch_is_always_loud_enough(stretch, length, monkeypatch):
    monkeypatch.setattr("pipeline.mixtures.stretch.AT_ONCE", 2000)
    samples = recording(*[None] * 8)
    samples[5000:5100] = hiss(100)
    level = np.square(samples).mean()
    used = stretch(samples, 0, length)
    if length > 1:  # one sample counts as silence
        assert np.square(samples[used : used + length]).mean() > level / 1000


def test_a_repeated_recording_stays_where_it_was_drawn(stretch):
    assert stretch(recording(None, -20, None), 2500, 1000) == 2500
    assert stretch(recording(None, -20, None), 100, 5000) == 100


def test_a_recording_of_zeros_stays_where_it_was_drawn(stretch):
    assert stretch(recording(None, None, None), 1234) == 1234


def test_a_gain_that_is_given_keeps_the_stretch(stretch):
    assert stretch(recording(-20, None, -20), 1000, noise_gain=1.0) == 1000


def test_an_offset_is_not_sound(stretch):
    samples = recording(-20, None, -20) + np.float32(0.01)
    assert stretch(samples, 1000) == 2000


def test_a_recording_is_not_read_where_the_stretch_is_loud(stretch, monkeypatch):
    read, asked = audio.read_at, []

    def spy(path, rate, start, samples, **options):
        asked.append((start, samples))
        return read(path, rate, start, samples, **options)

    monkeypatch.setattr(audio, "read_at", spy)
    samples = recording(-20, None, -20, -20)
    level = 10 * np.log10(np.square(samples).mean())
    assert stretch(samples, 2000, noise_rms=level) == 2000 and asked == [(2000, 1000)]
    assert stretch(samples, 1000, noise_rms=level) == 2000
    assert asked[1:] == [(1000, 1000), (0, 3000), (3000, 1000), (2000, 1000)]


@pytest.fixture
def bursts(corpus, converted, tmp_path):
    """Manifest of a noise corpus with half a second of sound, then zeros, in each split."""
    for split in corpus.subsets:
        path = corpus.hiss(split, "burst", 8.0)
        samples, _ = sf.read(path)
        samples[8000:] = 0
        sf.write(path, samples, 16000)
    scan_noise(corpus.noises, tmp_path / "scan/noise.csv")
    convert_shard(tmp_path / "scan/noise.csv", tmp_path / "converted", "1-of-1", RATE)
    return tmp_path / "converted/index.csv"


def test_mixtures_of_bursts_have_the_requested_snr(bursts, converted, settings, tmp_path, caplog):
    mixtures = settings(counts={"train": 12, "dev": 1, "test": 1}, noise_speeds=[0.8, 1.0, 1.2])
    plan = tmp_path / "plan.csv"
    draw_plan(converted.speech, bursts, [plan], "train", mixtures, 0, RATE)
    with caplog.at_level(logging.INFO):
        render_shard(plan, tmp_path / "set", RATE, mixtures)
    drawn, table = read_manifest(plan), read_manifest(tmp_path / "set/index.csv")
    assert table["noise_snr"].to_numpy() == pytest.approx(drawn["noise_snr"].to_numpy(), abs=1e-3)
    assert list(table["noise_snr_asked"]) == list(drawn["noise_snr"])
    moved = (table["noise_start"] != drawn["noise_start"]).sum()
    assert moved > 4 and (table["noise_start"] < 4000).all()
    assert caplog.messages[-1] == (
        f"set: in {moved} of 12 mixtures the stretch of the noise that was drawn is nearly silent;"
        " another one is used"
    )
    for row in table.query("noise_speed == 1").to_dict("records"):
        noise = audio.read_at(row["noise_path"], RATE)
        part = audio.read_at(row["noise_source_path"], RATE, row["noise_start"], len(noise))
        part = part * np.float32(row["noise_gain"] * row["scale"])
        assert np.abs(noise - part).max() < 1.5 / 32768
    check_metadata(converted, tmp_path, table)


def check_metadata(converted, tmp_path, table):
    """LibriMix's metadata have the stretch that is used, in samples at 16 kHz."""
    scan = converted.speech.parent / "scan/speech.csv"
    index, out = tmp_path / "set/index.csv", tmp_path / "metadata"
    write_metadata(index, out, "train", scan, tmp_path / "scan/noise.csv", RATE)
    exported = pd.read_csv(out / "plan/libri3mix_train.csv")
    assert list(exported["noise_start"]) == [2 * start for start in table["noise_start"]]


def test_an_index_with_another_stretch_gives_the_same_set(bursts, converted, settings, tmp_path):
    draw_plan(converted.speech, bursts, [tmp_path / "plan.csv"], "train", settings(), 0, RATE)
    render_shard(tmp_path / "plan.csv", tmp_path / "first", RATE, settings())
    render_shard(tmp_path / "first/index.csv", tmp_path / "again", RATE, settings())
    for path in (tmp_path / "first").rglob("*.wav"):
        again = tmp_path / "again" / path.relative_to(tmp_path / "first")
        assert again.read_bytes() == path.read_bytes()


def test_plans_of_older_versions_give_the_same_set(bursts, converted, settings, tmp_path):
    draw_plan(converted.speech, bursts, [tmp_path / "plan.csv"], "train", settings(), 0, RATE)
    render_shard(tmp_path / "plan.csv", tmp_path / "first", RATE, settings())
    older = read_manifest(tmp_path / "plan.csv").drop(columns="noise_rms")
    write_manifest(tmp_path / "older.csv", older)
    render_shard(tmp_path / "older.csv", tmp_path / "again", RATE, settings())
    first, again = (read_manifest(tmp_path / f"{n}/index.csv") for n in ("first", "again"))
    columns = ["noise_start", "noise_gain", "noise_snr", "noise_snr_asked", "scale"]
    pd.testing.assert_frame_equal(first[columns], again[columns])


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_fresh_mixtures_of_bursts_have_the_requested_snr(bursts, converted, settings, seconds):
    fresh = fresh_mixtures(SEPARATE, converted.speech, bursts, settings(), "noisy", None, RATE)
    training = Training(data="dynamic", segment_seconds=seconds, speech_speed=(1, 1))
    items, moved = FreshMixtures(fresh, training, 0), 0
    for key in [(0, item) for item in range(12)]:
        row = items.draw(key)
        inputs, targets = (tensor.numpy().astype(np.float64) for tensor in items[key])
        noise = inputs - targets.sum(axis=0)
        loudest = np.square(targets).mean(axis=1).max()
        reached = 10 * np.log10(loudest / np.square(noise).mean())
        assert reached == pytest.approx(row["noise_snr"], abs=0.02)
        facts = render(row, 3, RATE, 0.9)[1]
        moved += facts["noise_start"] != row["noise_start"]
    assert moved > 4


def quieter(corpus, noises, level, split="train"):
    """A manifest of noises with one at a given level in dBFS among those of a split."""
    path = corpus.hiss(split, "faint", 2.0)
    samples, _ = sf.read(path)
    sf.write(path, samples * 10 ** (level / 20) / 0.1, 16000, subtype="PCM_24")
    scan = noises.parent / "faint/noise.csv"
    write_manifest(scan, pd.DataFrame({"noise": ["faint"], "split": [split], "path": [str(path)]}))
    convert_shard(scan, scan.parent / "wav", "1-of-1", 16000)
    both = [read_manifest(noises), read_manifest(scan.parent / "wav/index.csv")]
    write_manifest(scan.parent / "noise.csv", pd.concat(both))
    return path, scan.parent / "noise.csv"


@pytest.mark.parametrize("data", ["rendered", "dynamic"])
def test_a_very_quiet_noise_is_refused_by_the_users_name(
    corpus, bursts, converted, settings, tmp_path, data
):
    path, noises = quieter(corpus, bursts, -78)

    def draw(**values):
        if data == "rendered":
            plan = [tmp_path / "plan.csv"]
            return draw_plan(converted.speech, noises, plan, "train", settings(**values), 0, RATE)
        return fresh_mixtures(
            SEPARATE, converted.speech, noises, settings(**values), "noisy", None, RATE
        )

    with pytest.raises(PipelineError) as error:
        draw()
    assert str(error.value) == (
        f"mixtures: 1 noises are too quiet, below -70 dBFS: {path} (-78.0);"
        " remove them, or exclude them by mixtures.exclude_noises"
    )
    draw(exclude_noises=["faint"])  # the printed cure


def test_a_quiet_noise_is_used(corpus, bursts, converted, settings, tmp_path):
    _, noises = quieter(corpus, bursts, -69)
    draw_plan(converted.speech, noises, [tmp_path / "plan.csv"], "train", settings(), 0, RATE)
