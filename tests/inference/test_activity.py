"""Outputs without a speaker: by their levels, in files, and in the tables of a shard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.base.files import digest_of, read_manifest, write_manifest
from pipeline.config import Inference, Machine
from pipeline.inference import activity, run
from pipeline.inference.activity import active, energy, remove_inactive
from pipeline.inference.apply import Setting
from pipeline.inference.oracle import mask_shard
from pipeline.tasks import SEPARATE

RATE = 8000
SETTING = Setting(RATE, Machine(device="cpu"), Inference(warmup=1), inactive_below=-20)


def tone(level, samples=4000, offset=0.0):
    """A sine of a level in dB, with an offset."""
    wave = np.sin(2 * np.pi * 40 * np.arange(samples) / samples)
    return (0.1 * 10 ** (level / 20) * wave + offset).astype(np.float32)


def write(folder, *signals):
    paths = [folder / f"s{k}.wav" for k in range(1, len(signals) + 1)]
    for path, samples in zip(paths, signals, strict=True):
        audio.write(path, samples, RATE, subtype="FLOAT")
    return paths


@pytest.mark.parametrize(
    "levels, below, found",
    [
        ([0, 0, 0], -20, [True, True, True]),
        ([0, -19.9, -20.1], -20, [True, True, False]),
        ([-19.9, -60, 0], -20, [True, False, True]),
        ([-19.9, -60, 0], -10, [False, False, True]),
        ([-80], -20, [True]),
        ([-100, -110, -130], -20, [True, True, False]),  # whatever the level of all
    ],
)
def test_an_output_is_compared_with_the_loudest(levels, below, found):
    assert active([10 ** (level / 10) for level in levels], below).tolist() == found


def test_of_silence_none_is_active():
    assert active([0.0, 0.0], -20).tolist() == [False, False]


def test_the_energy_is_that_without_the_mean_in_any_blocks(tmp_path, monkeypatch):
    samples = tone(0, offset=0.3)
    [path] = write(tmp_path, samples)
    expected = np.square(samples - samples.mean(dtype=np.float64)).sum()
    for block in (1 << 20, 999):
        monkeypatch.setattr(activity, "BLOCK", block)
        assert energy(path, RATE) == pytest.approx(expected, rel=1e-9)


def test_files_of_inactive_outputs_are_removed(tmp_path):
    files = write(tmp_path, tone(-30), tone(0), tone(-10), tone(-30, offset=0.5))
    found = remove_inactive(files, RATE, -20)
    assert found == [None, files[1], files[2], None]
    assert [file.exists() for file in files] == [False, True, True, False]


@pytest.fixture
def estimated(mixtures, weights, tmp_path, monkeypatch):
    """A shard whose network separates the mixture of each row into tones of given levels."""

    def make(levels, setting=SETTING):
        places = iter(levels)

        def apply(model, recordings, *_):
            for recording in recordings:
                for path, level in zip(recording.targets, next(places), strict=True):
                    audio.write(path, tone(level, recording.samples), RATE, subtype="FLOAT")
            return run.Applied([], {}, 1.0, {"device": "cpu", "threads": 1})

        monkeypatch.setattr(run, "apply", apply)
        monkeypatch.setattr(run, "_write_times", lambda *_: None)
        run.infer_shard(SEPARATE, mixtures, "noisy", None, weights(2), tmp_path, "1-of-1", setting)
        return read_manifest(tmp_path / "estimates.csv")

    return make


def test_a_table_of_estimates_says_how_many_speakers_were_found(estimated, tmp_path):
    table = estimated([(0, 0), (0, -30), (-30, 0), (-40, -41), (0, -19)])
    assert list(table) == ["mixture_id", "s1_path", "s2_path", "digest", "found"]
    assert table["found"].tolist() == [2, 1, 1, 2, 2]
    assert table["s1_path"].notna().tolist() == [True, True, False, True, True]
    assert table["s2_path"].notna().tolist() == [True, False, True, True, True]
    written = {path for row in table.to_dict("records") for path in row.values()}
    assert {str(path) for path in tmp_path.rglob("*.wav")} <= written
    for row in table.to_dict("records"):
        files = [row[f"s{k}_path"] for k in (1, 2)]
        kept = [digest_of(Path(path).read_bytes()) for path in files if isinstance(path, str)]
        assert row["digest"] == digest_of("".join(kept).encode())


def test_all_outputs_are_written_where_the_number_is_known(estimated):
    table = estimated([(0, -90)] * 5, replace(SETTING, inactive_below=None))
    assert list(table) == ["mixture_id", "s1_path", "s2_path", "digest"]
    assert table.notna()[["s1_path", "s2_path"]].all(axis=None)


def test_the_ideal_mask_finds_the_speakers_that_are_there(mixtures, tmp_path):
    table = read_manifest(mixtures)
    table.loc[[1, 3], ["s2_path", "source_2_path"]] = None
    write_manifest(tmp_path / "mixtures.csv", table)
    for shard in ("1-of-5", "2-of-5"):  # each alone has one number of speakers
        mask_shard(tmp_path / "mixtures.csv", tmp_path / shard, shard, RATE)
    found = [read_manifest(tmp_path / shard / "estimates.csv") for shard in ("1-of-5", "2-of-5")]
    assert [list(each) for each in found] == [
        ["mixture_id", "s1_path", "s2_path", "digest", "found"]
    ] * 2
    assert [each["found"].item() for each in found] == [2, 1]
    assert pd.isna(found[1]["s2_path"].item()) and not (tmp_path / "2-of-5/s2").exists()
