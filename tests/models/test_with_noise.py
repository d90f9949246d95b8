"""The noise as a further output: sources and noise add up to the mixture, for every network."""

import pytest
import torch

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.experiment import Experiment
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.signals import Inputs, passed
from pipeline.models.weights import load_network, save_weights, start_from
from pipeline.models.with_noise import WithNoise

SMALL = {
    "conv_tasnet": {"N": 12, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1},
    "dprnn": {"n_filters": 16, "bn_chan": 16, "hid_size": 16, "chunk_size": 20, "n_repeats": 1},
    "dptnet": {"n_filters": 16, "ff_hid": 16, "chunk_size": 20, "n_repeats": 1},
    "sudormrf": {"n_filters": 32, "bn_chan": 16, "num_blocks": 2},
    "tiger": {"features": 12, "hidden": 4, "blocks": 1},
    "demucs": {"hidden": 8, "depth": 2, "resample": 1},
    "wave_u_net": {"L": 3, "F": 4},
    "gatewave": {"channels": 4, "depth": 2},
}
TINY = SMALL["conv_tasnet"]


@pytest.mark.parametrize("name", list(SMALL))
def test_sources_and_noise_add_up_to_the_mixture(name):
    network = build(name, SMALL[name], 3, 8000, noise_output=True)
    mixture = torch.randn(2, 1500)
    found = passed(network, Inputs(mixture))
    assert found.estimates.shape == (2, 3, 1500) and found.noise.shape == (2, 1500)
    residual = mixture - found.estimates.sum(1) - found.noise
    assert 20 * torch.log10(residual.norm() / mixture.norm()) < -60


def test_what_is_missing_is_shared():
    class Fixed(torch.nn.Module):
        def forward(self, mixture):
            return torch.tensor([[[1.0], [2.0], [4.0]]])

    found = WithNoise(Fixed())(torch.tensor([[10.0]]))  # 3 are missing of 10
    assert found.estimates.flatten().tolist() == [2, 3] and found.noise.tolist() == [[5]]


def test_a_weights_file_gives_it_back(tmp_path):
    network = build("conv_tasnet", TINY, 2, 8000, noise_output=True).eval()
    card = Card("conv_tasnet", TINY, 2, 8000, noise_output=True)
    save_weights(path := tmp_path / "w.safetensors", network, card)
    mixture = torch.randn(1, 800)
    with torch.no_grad():
        one, other = (passed(n, Inputs(mixture)) for n in (network, load_network(path, 2, 8000)))
    assert torch.equal(one.estimates, other.estimates) and torch.equal(one.noise, other.noise)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_it_starts_from_a_network_with_and_without(tmp_path, before, after):
    first = build("conv_tasnet", TINY, 1, 8000, noise_output=before)
    card = Card("conv_tasnet", TINY, 1, 8000, noise_output=before)
    save_weights(path := tmp_path / "w.safetensors", first, card)
    second = build("conv_tasnet", TINY, 1, 8000, noise_output=after)
    afresh = start_from(second, str(path), "conv_tasnet", TINY, 8000)
    assert bool(afresh) == (before != after)
    bare = second.network if after else second
    own = (first.network if before else first).encoder.filters
    assert torch.equal(bare.encoder.filters, own)


def configured(conditions):
    separator = {"model": "conv_tasnet", "noise_output": True, "conditions": conditions}
    denoisers = {"d": {"model": "conv_tasnet"}}
    return load_config({"denoisers": denoisers, "separators": {"s": separator}})


def test_clean_mixtures_have_no_noise():
    with pytest.raises(PipelineError) as error:
        configured(["noisy", "clean"])
    assert str(error.value) == (
        "config: separators.s: noise_output: clean mixtures have no noise; leave clean out of"
        " conditions, or name another separator for it"
    )
    configured(["noisy", "denoised-d"])


def test_it_decides_the_weights():
    class Job:
        task, name, trained, run = "separate", "s", "noisy", "0"

    class Denoiser:
        task, name, trained, run = "denoise", "d", "noisy", "0"

    experiment = Experiment(configured(["noisy"]))
    assert experiment.training_job(Job)["noise_output"] is True
    assert "noise_output" not in experiment.training_job(Denoiser)
