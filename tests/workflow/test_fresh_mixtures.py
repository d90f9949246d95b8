"""Training on mixtures drawn during training: the outputs made for it, and those that are not."""

import shutil

import pandas as pd
import pytest
from safetensors.torch import load_file
from workspace import SMOKE

from pipeline.models.card import read_card

DENOISED = "models/separate/conv_tasnet/denoised-conv_tasnet/0/model.safetensors"
DENOISER = "models/denoise/conv_tasnet/noisy/0/model.safetensors"
ESTIMATES = "estimates/denoise/conv_tasnet/noisy/0/noisy"


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory):
    """Configuration files of a run in which every model draws its own mixtures."""
    path = tmp_path_factory.mktemp("config") / "dynamic.yaml"
    path.write_text("training: {data: dynamic}\n", encoding="utf-8")
    return SMOKE, path


def outputs(workspace, config):
    """The outputs of all jobs of a dry run, in one string."""
    lines = [line.strip() for line in workspace.succeed("-n", config=config).splitlines()]
    return " ".join(line for line in lines if line.startswith("output: "))


def test_no_training_set_is_made(workspace, dynamic):
    jobs = workspace.jobs(config=dynamic)
    assert jobs["train_denoiser"] == 1 and jobs["train"] == 3
    made = outputs(workspace, dynamic)
    for stage in ("mixtures/plan", "mixtures", ESTIMATES):
        assert f"results/{stage}/dev" in made and f"results/{stage}/test" in made
        assert f"results/{stage}/train" not in made


def test_one_model_may_draw_and_another_not(workspace, tmp_path):
    config = tmp_path / "mixed.yaml"
    config.write_text("separators: {conv_tasnet: {training: {data: dynamic}}}\n", encoding="utf-8")
    made = outputs(workspace, (SMOKE, config))
    assert "results/mixtures/train" in made  # the split of the denoiser
    assert f"results/{ESTIMATES}/train" not in made


def test_a_denoiser_and_a_separator_behind_it(finished, dynamic, tmp_path):
    run = finished.copy(tmp_path / "run")
    shutil.rmtree(run / "mixtures/train")
    shutil.rmtree(run / "estimates")
    target = f"results/{DENOISED}"
    output = run.succeed(target, config=dynamic)
    assert f"the mixtures are denoised by results/{DENOISER}" in output
    assert not (run / "mixtures/train").exists()
    assert [p.name for p in (run / ESTIMATES).iterdir()] == ["dev"]

    card = read_card(run / DENOISED)
    assert card.training["settings"]["data"] == "dynamic"
    assert card.training["mixtures"]["counts"] == {"train": 12, "dev": 12, "test": 12}
    history = pd.read_csv((run / DENOISED).with_name("history.csv"))
    assert history["step"].tolist() == [3, 6]  # an epoch is 12 mixtures, in batches of 4
    noisy = finished / "models/separate/conv_tasnet/noisy/0/model.safetensors"
    assert load_file(run / DENOISED).keys() == load_file(noisy).keys()

    assert run.jobs(target, config=dynamic) == {}
    for change in ("training={speech_speed: [1, 1]}", "mixtures={speech_lufs: [-30, -25]}"):
        again = run.jobs(target, "--config", change, config=dynamic)
        assert again["train_denoiser"] == again["train"] == 1
    assert "train_denoiser" not in run.jobs(
        target, "--config", "mixtures={counts: {test: 5}}", config=dynamic
    )
