"""asteroid's own loader reads what we render."""

import random

import numpy as np
import pytest

import pipeline.models.asteroid  # noqa: F401  mends the import of asteroid
from pipeline import audio
from pipeline.files import read_manifest
from pipeline.mixtures.librimix import write_metadata
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard

RATE = 8000
TASKS = {
    "sep_clean": ("mix_clean", ["s1", "s2", "s3"]),
    "sep_noisy": ("mix_both", ["s1", "s2", "s3"]),
    "enh_both": ("mix_both", ["mix_clean"]),
}


@pytest.fixture
def rendered(converted, settings, tmp_path):
    """The index of a rendered set of three speakers; its metadata is in `metadata`."""
    draw_plan(converted.speech, converted.noise, tmp_path / "plan.csv", "test", settings(), 0, RATE)
    render_shard(tmp_path / "plan.csv", tmp_path / "set", "1-of-1", RATE, 0.9)
    write_metadata(tmp_path / "set/index.csv", tmp_path / "metadata", "test")
    return read_manifest(tmp_path / "set/index.csv")


def load(folder, task, segment):
    from asteroid.data import LibriMix

    return LibriMix(str(folder), task, sample_rate=RATE, n_src=3, segment=segment)


@pytest.mark.parametrize("task", TASKS)
def test_whole_mixtures_are_the_same_samples(rendered, tmp_path, task):
    heard, targets = TASKS[task]
    data = load(tmp_path / "metadata", task, None)
    assert len(data) == len(rendered) == 4
    items = [data[i] for i in range(4)]
    for row, (mixture, sources) in zip(rendered.to_dict("records"), items, strict=True):
        assert np.array_equal(mixture, audio.read_at(row[f"{heard}_path"], RATE))
        assert len(sources) == len(targets)
        for name, source in zip(targets, sources, strict=True):
            assert np.array_equal(source, audio.read_at(row[f"{name}_path"], RATE))


@pytest.mark.parametrize("task", TASKS)
def test_segments_are_parts_of_the_same_samples(rendered, tmp_path, task):
    heard, targets = TASKS[task]
    data = load(tmp_path / "metadata", task, 0.5)
    assert len(data) == len(rendered)
    for i, row in enumerate(rendered.to_dict("records")):
        random.seed(i)
        mixture, sources = data[i]
        random.seed(i)
        start = random.randint(0, row["length"] - RATE // 2)
        part = audio.read_at(row[f"{heard}_path"], RATE, start, RATE // 2)
        assert np.array_equal(mixture, part)
        expected = audio.read_at(row[f"{targets[-1]}_path"], RATE, start, RATE // 2)
        assert np.array_equal(sources[-1], expected)


def test_metadata_has_the_columns_of_librimix(rendered, tmp_path):
    clean, both = (
        read_manifest(tmp_path / f"metadata/mixture_test_mix_{kind}.csv")
        for kind in ("clean", "both")
    )
    sources = ["source_1_path", "source_2_path", "source_3_path"]
    assert list(clean) == ["mixture_ID", "mixture_path", *sources, "length"]
    assert list(both) == ["mixture_ID", "mixture_path", *sources, "noise_path", "length"]
    assert list(both["mixture_ID"]) == list(rendered["mixture_id"])
    assert list(both["length"]) == list(clean["length"]) == list(rendered["length"])
    assert list(both["noise_path"]) == list(rendered["noise_path"])
