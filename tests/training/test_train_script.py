"""The training script: the input of each model, in training and on dev, is the one of its job."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from scripted import given, run_scripts

from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Machine, Training
from pipeline.models.card import read_card
from pipeline.tasks import TASKS
from pipeline.training.data import examples
from pipeline.training.job import Job
from pipeline.training.train import train

pytestmark = pytest.mark.slow  # jobs of their own, with torch each

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 1, "R": 1}
SETTINGS = Training(segment_seconds=0.5, batch_size=4, epochs=1).model_dump(mode="json")
KINDS = {  # name of a model: task, condition, whether its input is a denoised set
    "denoiser": ("denoise", "noisy", False),
    "clean": ("separate", "clean", False),
    "noisy": ("separate", "noisy", False),
    "denoised": ("separate", "denoised-x", True),
}


def job_of(name) -> Job:
    task, condition, _ = KINDS[name]
    return Job(task, condition, "conv_tasnet", TINY, None, SETTINGS, 7)


def denoised(folder: Path, name: str, mixtures: Path) -> Path:
    """A denoised set with other audio than any mixture: the noise."""
    table = read_manifest(mixtures)
    path = folder / f"denoised_{name}.csv"
    rows = table[["mixture_id"]].assign(mix_clean_path=table["noise_path"], digest=table["digest"])
    write_manifest(path, pd.DataFrame(rows))
    return path


@pytest.fixture(scope="module")
def sets_and_denoised(sets, tmp_path_factory):
    """Train and dev, and their denoised sets."""
    folder = tmp_path_factory.mktemp("denoised")
    return sets, [denoised(folder, n, path) for n, path in zip(("train", "dev"), sets, strict=True)]


@pytest.fixture(scope="module")
def scripted(sets_and_denoised, tmp_path_factory) -> Path:
    """The folder in which the script has trained all of `KINDS`."""
    (train_set, dev_set), sets = sets_and_denoised
    folder, jobs = tmp_path_factory.mktemp("scripted"), []
    for name, (_, _, denoised_input) in KINDS.items():
        files = {"train": [train_set], "dev": [dev_set], "front": [], "extensions": []}
        for split, path in zip(("train", "dev"), sets, strict=True):
            files[f"denoised_{split}"] = [path] if denoised_input else []
        results = Path("results/models", name)
        output = {"weights": results / "model.safetensors", "history": results / "history.csv"}
        params = {"job": asdict(job_of(name)), "sample_rate": RATE}
        machine = {"device": "cpu", "save_seconds": 1e6}
        # The model has the name of one in the default configuration.
        names = {"name": "conv_tasnet"}
        jobs.append(("train", given(files, output, params, names, machine=machine)))
    run_scripts(folder, *jobs)
    return folder / "results/models"


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_trained_and_scored_on_the_input_of_its_job(
    name, sets_and_denoised, scripted, tmp_path
):
    sets, denoised_sets = sets_and_denoised
    task, condition, denoised_input = KINDS[name]
    fronts = denoised_sets if denoised_input else [None, None]
    pairs = zip(sets, fronts, strict=True)
    data = [examples(TASKS[task], path, condition, front, RATE) for path, front in pairs]
    weights, history = tmp_path / "model.safetensors", tmp_path / "history.csv"
    machine = Machine(device="cpu", save_seconds=1e6)
    train(job_of(name), machine, *data, weights, history, tmp_path / "state")
    expected, found = load_file(weights), load_file(scripted / name / "model.safetensors")
    assert expected.keys() == found.keys()
    for tensor in expected:
        torch.testing.assert_close(found[tensor], expected[tensor], rtol=0, atol=1e-6)
    curves = [
        pd.read_csv(p).drop(columns="seconds") for p in (history, scripted / name / "history.csv")
    ]
    pd.testing.assert_frame_equal(*curves, atol=1e-5)
    assert read_card(scripted / name / "model.safetensors").training["condition"] == condition


def test_models_of_other_conditions_are_other_models(scripted):
    curves = [pd.read_csv(scripted / name / "history.csv") for name in list(KINDS)[1:]]
    for column in ("train_loss", "dev_loss"):
        assert len({round(curve[column][0], 3) for curve in curves}) == 3
