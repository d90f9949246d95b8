"""A network, a loss and a task that docs/extending.md adds, through a whole run."""

import re

import pandas as pd
import pytest
import yaml
from workspace import ROOT, SMOKE

from pipeline.models.card import read_card

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
DENOISER = "models/denoise/recurrent/noisy/0/model.safetensors"
EXTRACTOR = "models/extract/first/noisy/0/model.safetensors"


def blocks(language):
    """Code of the page in one language, its blocks one after another."""
    return "\n\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def workspace(finished, tmp_path):
    """A finished run, whose mixtures are used."""
    return finished.copy(tmp_path / "run")


@pytest.fixture
def config(workspace):
    """Configuration files of the page's run, made small."""
    (workspace.folder / "mine.py").write_text(blocks("python"), encoding="utf-8")
    values = yaml.safe_load(blocks("yaml"))
    values["separators"] = {"small": {"conditions": ["denoised-recurrent"]}, "conv_tasnet": None}
    values["denoisers"] |= {"conv_tasnet": None}
    values["evaluation"] = {"metrics": ["si_sdr"], "bootstrap_samples": 100}
    path = workspace.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return SMOKE, path


def test_what_the_page_adds_goes_through_a_whole_run(workspace, config):
    workspace.succeed(config=config)
    card = read_card(workspace / DENOISER)
    assert (card.model, card.arguments) == ("gru_mask", {"units": 32})
    assert card.training["loss"] == {"snr": 1, "magnitude_l1": 10}
    assert card.training["multiply_adds"] > 0
    scores = pd.read_csv(workspace / "scores/scores.csv")
    extracted = scores[(scores["task"] == "extract") & (scores["name"] == "first")]
    assert set(extracted["source"]) == {"s1"} and set(extracted["metric"]) == {"si_sdr", "si_sdri"}
    assert set(extracted["tested"]) == {"clean", "noisy", "denoised-recurrent"}
    assert extracted["value"].notna().all()
    page = (workspace / "report/index.html").read_text(encoding="utf-8")
    assert "extractor first, noisy" in page
    assert workspace.jobs(config=config) == {}

    mine = workspace.folder / "mine.py"
    mine.write_text(mine.read_text(encoding="utf-8").replace("log1p()", "sqrt()"), encoding="utf-8")
    jobs = workspace.jobs("denoisers", "separators", f"results/{EXTRACTOR}", config=config)
    # The denoiser, the separator that is trained on its output, and the extractor of the same code.
    assert jobs["train_denoiser"] == 1 and jobs["train"] == 2
