"""Chains: their inner loss, and gradients of it that are never against those of the separation."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pipeline.base.errors import PipelineError
from pipeline.config import Training, load_config
from pipeline.losses.waveform import neg_snr
from pipeline.models import build
from pipeline.models.signals import Inputs, passed
from pipeline.models.weights import load_network, read_card
from pipeline.training.data import Recordings
from pipeline.training.job import starts_of
from pipeline.training.joint import add_projected, projected

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
PART = {"model": "conv_tasnet", "arguments": TINY}
CHAIN = "chain", {"first": PART, "second": PART}


def gradients(network):
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.fixture
def both():
    """A chain with the two losses of a mixture, as functions that may be called again."""
    torch.manual_seed(0)
    network, mixture = build(*CHAIN, 2, 8000), torch.randn(2, 2000)
    targets = torch.randn(2, 2, 2000)

    def losses():
        found = passed(network, Inputs(mixture))
        main = neg_snr(found.estimates.flatten(0, 1), targets.flatten(0, 1)).mean()
        return main, 0.3 * neg_snr(found.inner[:, 0], targets.sum(1)).mean()

    return network, losses


def test_gradients_are_projected_tensor_by_tensor(both):
    network, losses = both
    own = []
    for loss in range(2):
        network.zero_grad()
        losses()[loss].backward()
        own.append(gradients(network))
    network.zero_grad()
    add_projected(list(network.first.parameters()), *losses())
    found, conflicts = gradients(network), 0
    for name, gradient in found.items():
        main = own[0][name]
        if not name.startswith("first."):
            assert torch.allclose(gradient, main, atol=1e-6), name
            continue
        added = gradient - main
        if (main * own[1][name]).sum() < 0:
            conflicts += 1
            expected = projected(own[1][name].double(), main.double())
            left = torch.cosine_similarity(expected.flatten(), main.double().flatten(), 0)
            assert left >= -1e-6
        else:
            expected = own[1][name]
        assert torch.allclose(added, expected.float(), rtol=1e-3, atol=1e-5), name
    assert 0 < conflicts < len(list(network.first.parameters()))


def test_without_conflict_they_are_those_of_the_sum():
    tensor = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    assert not add_projected([tensor], (tensor**2).sum(), tensor.sum())
    assert tensor.grad.tolist() == [3, 5]


def test_a_conflict_of_all_tensors_together_is_told():
    tensor = torch.nn.Parameter(torch.tensor([1.0, 0.0]))
    assert add_projected([tensor], 3 * tensor[0], tensor[1] - tensor[0])
    assert tensor.grad.tolist() == [3, 1]  # what was against the first axis is gone


def chained(attempt, folder, **settings):
    return attempt(folder, **{"model": CHAIN, "epochs": 2} | settings)


def test_a_weight_of_zero_changes_nothing(attempt, tmp_path):
    plain = chained(attempt, tmp_path / "plain").run()
    zero = chained(attempt, tmp_path / "zero", inner_weight=0.0).run()
    one, other = load_file(plain.weights), load_file(zero.weights)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert plain.history["dev_loss"].tolist() == zero.history["dev_loss"].tolist()


def test_the_inner_signal_becomes_the_mixture_without_noise(attempt, tmp_path):
    settings = {"inner_weight": 5.0, "inner_projection": True, "epochs": 8}
    done = chained(attempt, tmp_path, **settings).run()
    shares = done.history["conflicting_steps"]
    assert shares.between(0, 1).all() and len(shares) == 8
    dev = done.examples[1]
    plain = chained(attempt, tmp_path / "plain", epochs=8).run()
    assert "conflicting_steps" not in plain.history

    def inner_of(weights):
        network, values = load_network(weights, dev.num_sources, dev.sample_rate), []
        for item in Recordings(dev):
            inputs, targets, _ = (signal[None] for signal in item)
            with torch.no_grad():
                found = passed(network, Inputs(inputs))
            values.append(neg_snr(found.inner[:, 0], targets.sum(1)).item())
        return sum(values) / len(values)

    assert inner_of(done.weights) < inner_of(plain.weights) - 3


def test_only_a_chain_has_an_inner_signal(attempt, tmp_path):
    with pytest.raises(PipelineError) as error:
        attempt(tmp_path, inner_weight=0.1, epochs=1).run()
    assert str(error.value) == "inner_weight: only a chain has an inner signal; leave it out"
    attempt(tmp_path / "other", epochs=1).run()


def test_a_projection_needs_an_inner_loss_and_one_device():
    def checked(**training):
        separator = {"model": "conv_tasnet", "conditions": ["noisy"], "training": training}
        denoisers = {"d": {"model": "conv_tasnet"}}
        return load_config({"denoisers": denoisers, "separators": {"s": separator}})

    line = "config: separators.s.training: inner_projection: "
    with pytest.raises(PipelineError) as error:
        checked(inner_projection=True)
    assert str(error.value) == (f"{line}there is no inner loss; set inner_weight, or leave it out")
    with pytest.raises(PipelineError) as error:
        checked(inner_projection=True, inner_weight=0.1, devices=2)
    assert str(error.value) == f"{line}runs on one device; set devices to 1"
    checked(inner_projection=True, inner_weight=0.1)
    assert Training(inner_weight=0.1).inner_projection is None


def test_both_networks_start_from_their_own_trainings(attempt, tmp_path):
    from pipeline.tasks import DENOISE

    first = attempt(tmp_path / "d", task=DENOISE, epochs=1).run()
    second = attempt(tmp_path / "s", epochs=1).run()
    joint = chained(attempt, tmp_path / "joint", gradient_clip=1e-30)
    files = [str(first.weights), str(second.weights)]
    joint.job = replace(joint.job, init_from=files)
    assert [source for source, *_ in starts_of(joint.job)] == files
    joint.run()
    found = load_file(joint.weights)
    for part, of in (("first", first), ("second", second)):
        for name, tensor in load_file(of.weights).items():
            assert torch.allclose(found[f"{part}.{name}"], tensor, atol=1e-5)
    assert read_card(joint.weights).training["init_from"] == files


@pytest.mark.slow
def test_compiled_networks_are_projected_too(attempt, tmp_path):
    settings = {"inner_weight": 0.5, "inner_projection": True, "epochs": 1, "max_steps": 2}
    plain, compiled = (chained(attempt, tmp_path / name, **settings) for name in ("one", "two"))
    found = plain.run().history, compiled.run(compile=True).history
    assert found[0]["dev_loss"][0] == pytest.approx(found[1]["dev_loss"][0], abs=0.05)
