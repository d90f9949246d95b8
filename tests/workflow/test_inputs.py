"""The inputs of each job, as printed by a dry run in an empty folder."""

import re
from pathlib import Path

import pytest
from workspace import SMOKE, Workspace

JOB = re.compile(r"^(?:local)?rule (\w+):\n    input: (.*)\n    output: (.*)\n", re.MULTILINE)
MIXTURES = "results/mixtures/{}/mixtures.csv"
DENOISED = "results/estimates/denoise/conv_tasnet/noisy/0/noisy/{}/estimates.csv"
WEIGHTS = "results/models/{}/model.safetensors"
DENOISER, CONDITION = WEIGHTS.format("denoise/conv_tasnet/noisy/0"), "denoised-conv_tasnet"
TRAINED = ["conv_tasnet/noisy/0", f"conv_tasnet/{CONDITION}/0", "small/clean/0"]
CORPORA = ["results/corpora/noise.csv", "results/corpora/speech.csv"]


def inputs_of(folder: Path, *config: Path) -> dict[str, list[str]]:
    """First output of every job to its inputs, sorted."""
    said = Workspace(folder).succeed("-n", config=(SMOKE, *config))
    return {made.split(", ")[0]: sorted(given.split(", ")) for _, given, made in JOB.findall(said)}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The inputs with the smoke configuration."""
    return inputs_of(tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory):
    """The same with mixtures that every model draws itself."""
    folder = tmp_path_factory.mktemp("dynamic")
    (folder / "dynamic.yaml").write_text("training: {data: dynamic}\n", encoding="utf-8")
    return inputs_of(folder, folder / "dynamic.yaml")


def test_a_model_is_trained_on_train_and_scored_on_dev(rendered):
    mixtures = [MIXTURES.format("dev"), MIXTURES.format("train")]
    assert rendered[DENOISER] == mixtures
    for name in TRAINED:
        denoised = [DENOISED.format(split) for split in ("dev", "train")]
        expected = [*denoised, *mixtures] if CONDITION in name else mixtures
        assert rendered[WEIGHTS.format(f"separate/{name}")] == expected


def test_every_separator_is_tested_on_every_condition(rendered):
    systems = {
        f"{name}/{tested}": (name, tested)
        for name in TRAINED
        for tested in ("clean", "noisy", CONDITION)
    }
    folder = "results/estimates/separate"
    made = [out for out in rendered if out.startswith(folder) and out.endswith("1-of-1")]
    assert sorted(made) == sorted(f"{folder}/{system}/test/1-of-1" for system in systems)
    for system, (name, tested) in systems.items():
        expected = [MIXTURES.format("test"), WEIGHTS.format(f"separate/{name}")]
        expected += [DENOISED.format("test")] if tested == CONDITION else []
        assert rendered[f"{folder}/{system}/test/1-of-1"] == sorted(expected)


def test_the_denoiser_denoises_the_split_that_is_requested(rendered):
    for split in ("train", "dev", "test"):
        out = f"results/estimates/denoise/conv_tasnet/noisy/0/noisy/{split}/1-of-1"
        assert rendered[out] == sorted([MIXTURES.format(split), DENOISER])


def test_all_that_was_timed_is_in_the_latencies(rendered):
    shards = [out for out in rendered if out.startswith("results/estimates/") and "-of-" in out]
    assert len(shards) == 9 + 3 + 1
    untimed = "results/estimates/denoise/conv_tasnet/noisy/0/clean/test/1-of-1"
    timed = [shard for shard in shards if shard != untimed]
    assert rendered["results/estimates/latency.csv"] == sorted(timed)


def test_fresh_mixtures_are_drawn_from_the_corpora_and_go_through_the_denoiser(dynamic):
    dev = MIXTURES.format("dev")
    assert dynamic[DENOISER] == sorted([*CORPORA, dev])
    for name in TRAINED:
        denoised = [DENOISED.format("dev"), DENOISER] if CONDITION in name else []
        expected = sorted([*CORPORA, dev, *denoised])
        assert dynamic[WEIGHTS.format(f"separate/{name}")] == expected
    assert not [out for out in dynamic if "/train/" in out and "corpora" not in out]
