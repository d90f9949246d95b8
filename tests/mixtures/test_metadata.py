"""LibriMix's metadata of one of our sets: asteroid's loader reads it, and we render it again."""

import logging
import random

import numpy as np
import pandas as pd
import pytest
from roots import Roots

import pipeline.models.asteroid  # noqa: F401  mends the import of asteroid
from pipeline import audio
from pipeline.base.files import join_paths, read_manifest, write_manifest
from pipeline.corpora.convert import convert_shard
from pipeline.mixtures.librimix import read_metadata, render_librimix
from pipeline.mixtures.metadata import write_metadata
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard

RATE = 8000
TASKS = {
    "sep_clean": ("mix_clean", ["s1", "s2", "s3"]),
    "sep_noisy": ("mix_both", ["s1", "s2", "s3"]),
    "enh_both": ("mix_both", ["mix_clean"]),
    "enh_single": ("mix_single", ["s1"]),
}
SOURCES = ["source_1_path", "source_2_path", "source_3_path"]


@pytest.fixture
def scans(converted):
    """Manifests of the files that the corpus was converted from."""
    root = converted.speech.parent
    return root / "scan/speech.csv", root / "scan/noise.csv"


@pytest.fixture
def make(converted, scans, settings, tmp_path):
    """`make(split="test", …)`: a rendered set's index; its metadata is in `metadata`."""

    def call(split="test", **values):
        mixtures = settings(mix_single=True, **values)
        plan, index = tmp_path / "plan.csv", tmp_path / "set/index.csv"
        draw_plan(converted.speech, converted.noise, [plan], split, mixtures, 0, RATE)
        render_shard(plan, tmp_path / "set", RATE, mixtures)
        write_metadata(index, tmp_path / "metadata", split, *scans, RATE)
        return read_manifest(index)

    return call


def load(folder, task, segment):
    from asteroid.data import LibriMix

    speakers = 1 if task == "enh_single" else 3
    return LibriMix(str(folder), task, sample_rate=RATE, n_src=speakers, segment=segment)


def test_cells_of_sources_that_a_mixture_lacks_are_empty(make, tmp_path):
    index = make(num_speakers=[1, 3])
    for name in ("mixture_test_mix_both", "plan/libri3mix_test", "plan/libri3mix_test_info"):
        table = pd.read_csv(tmp_path / f"metadata/{name}.csv")
        assert len(table) == len(index) == 4
        cells = table.filter(regex="_(2|3)_")
        assert cells.iloc[::2].isna().all(axis=None) and cells.iloc[1::2].notna().all(axis=None)
        assert table.filter(regex="_1_").notna().all(axis=None)


@pytest.mark.parametrize("task", TASKS)
def test_whole_mixtures_are_the_same_samples(make, tmp_path, task):
    rendered, (given, targets) = make(), TASKS[task]
    data = load(tmp_path / "metadata", task, None)
    assert len(data) == len(rendered) == 4
    items = [data[i] for i in range(4)]
    for row, (mixture, sources) in zip(rendered.to_dict("records"), items, strict=True):
        assert np.array_equal(mixture, audio.read_at(row[f"{given}_path"], RATE))
        assert len(sources) == len(targets)
        for name, source in zip(targets, sources, strict=True):
            assert np.array_equal(source, audio.read_at(row[f"{name}_path"], RATE))


@pytest.mark.parametrize("task", TASKS)
def test_segments_are_parts_of_the_same_samples(make, tmp_path, task):
    rendered, (given, targets) = make(), TASKS[task]
    data = load(tmp_path / "metadata", task, 0.5)
    assert len(data) == len(rendered)
    for i, row in enumerate(rendered.to_dict("records")):
        random.seed(i)
        mixture, sources = data[i]
        random.seed(i)
        start = random.randint(0, row["length"] - RATE // 2)
        part = audio.read_at(row[f"{given}_path"], RATE, start, RATE // 2)
        assert np.array_equal(mixture, part)
        expected = audio.read_at(row[f"{targets[-1]}_path"], RATE, start, RATE // 2)
        assert np.array_equal(sources[-1], expected)


def test_metadata_has_the_columns_of_librimix(make, tmp_path):
    rendered = make()
    clean, both, single = (
        pd.read_csv(tmp_path / f"metadata/mixture_test_mix_{kind}.csv")
        for kind in ("clean", "both", "single")
    )
    assert list(clean) == ["mixture_ID", "mixture_path", *SOURCES, "length"]
    assert list(both) == ["mixture_ID", "mixture_path", *SOURCES, "noise_path", "length"]
    assert list(single) == ["mixture_ID", "mixture_path", SOURCES[0], "noise_path", "length"]
    assert list(both["mixture_ID"]) == list(rendered["mixture_id"])
    assert list(both["length"]) == list(clean["length"]) == list(rendered["length"])
    assert list(both["noise_path"]) == list(rendered["noise_path"])


@pytest.mark.parametrize("kind", ["mix_both", "mix_clean", "mix_single"])
def test_metrics_are_those_of_the_signals_written(make, tmp_path, kind):
    rendered = make()
    metrics = pd.read_csv(tmp_path / f"metadata/metrics/metrics_test_{kind}.csv")
    parts = {"mix_both": ["s1", "s2", "s3", "noise"], "mix_clean": ["s1", "s2", "s3"]}
    names = parts.get(kind, ["s1", "noise"])
    columns = [f"source_{n[1:]}_SNR" if n != "noise" else "noise_SNR" for n in names]
    assert list(metrics) == ["mixture_ID", *columns]
    for row, snrs in zip(rendered.to_dict("records"), metrics[columns].to_numpy(), strict=True):
        mixture = audio.read_at(row[f"{kind}_path"], RATE)
        for name, snr in zip(names, snrs, strict=True):
            own = audio.read_at(row[f"{name}_path"], RATE)
            rest = np.mean((mixture - own) ** 2)
            assert snr == pytest.approx(10 * np.log10(np.mean(own**2) / rest), abs=0.05)


def test_our_plan_is_metadata_of_librimix(make, scans, tmp_path):
    rendered = make("train", noise_speeds=[0.8, 1.2], peak=0.25)
    assert (rendered["scale"] < 1).any()
    exported = pd.read_csv(tmp_path / "metadata/plan/libri3mix_train.csv")
    sources = [f"source_{k}_{fact}" for k in (1, 2, 3) for fact in ("path", "gain")]
    noise = ["noise_path", "noise_gain", "noise_start", "noise_speed"]
    assert list(exported) == ["mixture_ID", *sources, *noise]
    speech, noises = (read_manifest(scan)["path"].tolist() for scan in scans)
    for row, drawn in zip(exported.to_dict("records"), rendered.to_dict("records"), strict=True):
        utterance = drawn["source_2_utterance"]
        assert row["source_2_path"] == f"train-clean/{utterance[:4]}/7/{utterance}.flac"
        assert [p for p in speech if p.endswith(f"/{row['source_2_path']}")]
        assert row["source_2_gain"] == pytest.approx(drawn["source_2_gain"] * drawn["scale"])
        speed = {0.8: "sp08", 1.2: "sp12"}[drawn["noise_speed"]]
        assert row["noise_path"] == f"tr/{drawn['noise']}{speed}.wav"
        assert [p for p in noises if p.endswith(row["noise_path"].replace(speed, ""))]
        assert row["noise_gain"] == pytest.approx(drawn["noise_gain"] * drawn["scale"])
        assert row["noise_start"] == 2 * drawn["noise_start"]
    info = pd.read_csv(tmp_path / "metadata/plan/libri3mix_train_info.csv", dtype=str)
    people = [f"speaker_{k}_{fact}" for k in (1, 2, 3) for fact in ("ID", "sex")]
    assert list(info) == ["mixture_ID", *people]
    assert list(info["speaker_3_ID"]) == list(rendered["source_3_speaker"])
    assert list(info["speaker_3_sex"]) == list(rendered["source_3_sex"])


@pytest.mark.parametrize("mode", ["min", "max"])
def test_our_plan_read_back_renders_the_same_but_for_the_resampler(make, scans, tmp_path, mode):
    rendered = make("train", mode=mode, noise_speeds=[0.8, 1.0, 1.2])
    plan = read_metadata([tmp_path / "metadata/plan/libri3mix_train.csv"], *scans, 3, RATE, mode)
    assert list(plan["length"]) == list(rendered["length"])
    for row, drawn in zip(plan.to_dict("records"), rendered.to_dict("records"), strict=True):
        signals = render_librimix(row, 3, RATE, mode)
        # The seam of a repeated short noise differs; a slow noise has lost its top at our rate.
        noise = {"noise": 0.98 if row["noise_speed"] == 1 else 0.85}
        alike = {"s1": 0.99, "s2": 0.99, "s3": 0.99} | (noise if row["noise"] == "long" else {})
        for name, least in alike.items():
            ours = audio.read_at(drawn[f"{name}_path"], RATE)
            assert np.corrcoef(ours, signals[name])[0, 1] > least, name
            assert signals[name].std() == pytest.approx(ours.std(), rel=0.15)


def test_joined_utterances_are_left_out_and_counted(make, scans, tmp_path, caplog):
    table = make()
    table.loc[1, "source_2_path"] = join_paths([table["source_2_path"][1]] * 2)
    write_manifest(tmp_path / "set/index.csv", table)
    with caplog.at_level(logging.INFO):
        write_metadata(tmp_path / "set/index.csv", tmp_path / "metadata", "test", *scans, RATE)
    exported = pd.read_csv(tmp_path / "metadata/plan/libri3mix_test.csv")
    assert list(exported["mixture_ID"]) == list(table["mixture_id"].drop(1))
    assert len(pd.read_csv(tmp_path / "metadata/mixture_test_mix_both.csv")) == 4
    assert [m for m in caplog.messages if m.startswith("test: 1 of 4 mixtures have joined")]
    moved = (table["noise_start"].drop(1) > 0).sum()
    assert [m for m in caplog.messages if m.startswith(f"test: in {moved} of 3 mixtures the noise")]


@pytest.fixture
def roots(corpus, tmp_path):
    """Two roots, scanned and converted; utterances and noises have equal names in them."""
    roots = Roots(corpus, tmp_path, speakers=3)
    roots.other.hiss("train", "rain")
    for kind in ("speech", "noise"):
        roots.scan(kind)
        convert_shard(tmp_path / f"scan/{kind}.csv", tmp_path / kind, "1-of-1", RATE)
    return roots


def test_the_metadata_of_two_roots_tell_them_apart(roots, settings, tmp_path):
    scans = [tmp_path / f"scan/{kind}.csv" for kind in ("speech", "noise")]
    mixtures = settings(noise_speeds=[0.8, 1.0])
    inputs = (tmp_path / f"{kind}/index.csv" for kind in ("speech", "noise"))
    draw_plan(*inputs, [tmp_path / "plan.csv"], "train", mixtures, 0, RATE)
    render_shard(tmp_path / "plan.csv", tmp_path / "set", RATE, mixtures)
    drawn = read_manifest(tmp_path / "set/index.csv")
    write_metadata(tmp_path / "set/index.csv", tmp_path / "metadata", "train", *scans, RATE)
    written = tmp_path / "metadata/plan/libri3mix_train.csv"
    table = pd.read_csv(written)
    for name, path in zip(drawn["source_1_utterance"], table["source_1_path"], strict=True):
        utterance, root = name.split("@")
        assert path == f"{root}/train-clean/{utterance[:4]}/7/{utterance}.flac"
    plan = read_metadata([written], *scans, 3, RATE, "min")
    columns = [f"source_{k}_{fact}" for k in (1, 2, 3) for fact in ("utterance", "speaker")]
    columns += ["noise", "noise_speed"]
    assert plan[columns].equals(drawn[columns])
    assert {name.partition("@")[2] for name in drawn["noise"]} > {"my_noise"}


@pytest.mark.parametrize("subset, root", [("train-clean", "LibriSpeech"), ("mine", "Mine")])
def test_a_path_without_its_root_is_of_the_first_that_has_it(roots, tmp_path, subset, root):
    """As LibriMix's own metadata have it; the subset in the path decides first."""
    (roots.other.speech / "train-clean").rename(roots.other.speech / "mine")
    roots.subsets = roots.subsets | {"train": ["mine", "train-clean"]}
    roots.scan()
    table = pd.DataFrame({"mixture_ID": ["a"], "noise_path": "tr/longsp08.wav", "noise_gain": 0.5})
    for k in (1, 2, 3):
        path = f"{subset}/100{k}/7/100{k}-7-0000.flac"
        table = table.assign(**{f"source_{k}_path": path, f"source_{k}_gain": 0.5})
    table.to_csv(tmp_path / "libri.csv", index=False)
    scans = [tmp_path / f"scan/{kind}.csv" for kind in ("speech", "noise")]
    plan = read_metadata([tmp_path / "libri.csv"], *scans, 3, RATE, "min")
    assert plan["source_2_speaker"][0] == f"1002@{root}"
    assert (plan["noise"][0], plan["noise_speed"][0]) == ("long@wham_noise", 0.8)
