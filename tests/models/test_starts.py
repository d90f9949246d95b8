"""Weights to start from: files that are there, and other models of the run."""

import pytest
import torch

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.experiment import Experiment
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.starts import check_starts, starts_of
from pipeline.models.weights import save_weights, start_from
from pipeline.tasks.grammar import ModelKey

NETWORKS = {
    "denoisers": {"net": {"model": "conv_tasnet"}},
    "separators": {"net": {"model": "conv_tasnet", "conditions": ["noisy", "clean"]}},
}


def with_start(source, **changes):
    separators = {"own": NETWORKS["separators"]["net"] | {"init_from": source} | changes}
    return load_config(NETWORKS | {"separators": NETWORKS["separators"] | separators})


@pytest.mark.parametrize("source", ["/nowhere/dns48.th", "./mine", "mine.pt"])
def test_weights_that_are_not_there(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(path):
        denoisers = {"own": {"model": "demucs", "init_from": str(path)}}
        check_starts(load_config(NETWORKS | {"denoisers": denoisers}))

    with pytest.raises(PipelineError) as error:
        check(source)
    assert str(error.value).startswith(f"config: denoisers.own.init_from: {source}")
    assert str(error.value).endswith(": no such file; give the path of weights")
    (tmp_path / "there.th").touch()
    check(tmp_path / "there.th")
    check("there.th")
    check("results/models/later.safetensors")  # which a run may make
    check("mpariente/ConvTasNet_WHAM!_sepclean")


def test_a_published_network_starts_from_nothing():
    gate = {"model": "spectral_gating", "init_from": "some/hub-name"}
    with pytest.raises(PipelineError) as error:
        check_starts(load_config(NETWORKS | {"denoisers": {"gate": gate}}))
    assert str(error.value) == (
        "config: denoisers.gate.init_from: spectral_gating is not trained, but published; leave it"
        " out"
    )
    del gate["init_from"]
    check_starts(load_config(NETWORKS | {"denoisers": {"gate": gate}}))


@pytest.mark.parametrize("source", ["denoisers.net", "denoisers.net/noisy"])
def test_a_separator_starts_from_the_same_run_of_a_denoiser(source):
    check_starts(config := with_start(source))
    model = ModelKey.parse("separate/own/clean/0")
    assert starts_of(config, model) == [ModelKey.parse("denoise/net/noisy/0")]
    wildcards = type("W", (), {"task": "separate", "name": "own", "trained": "noisy", "run": "2"})
    weights = "results/models/denoise/net/noisy/2/model.safetensors"
    experiment = Experiment(config)
    assert experiment.training_inputs(wildcards)["init"] == [weights]
    assert experiment.training_job(wildcards)["init_from"] == weights
    wildcards.name = "net"
    assert experiment.training_inputs(wildcards)["init"] == []
    assert not starts_of(config, ModelKey.parse("separate/net/noisy/0"))


def test_a_condition_of_several_is_named():
    check_starts(config := with_start("separators.net/clean"))
    found = starts_of(config, ModelKey.parse("separate/own/noisy/1"))
    assert found == [ModelKey.parse("separate/net/clean/1")]


LEFT = "give both the same, or leave init_from out"


@pytest.mark.parametrize(
    ("source", "changes", "line", "cure"),
    [
        ("denoisers.x", {}, "denoisers.x is not configured; allowed: net", "denoisers.net"),
        (
            "separators.net",
            {},
            "separators.net is none of separators.net/noisy, separators.net/clean; write one of"
            " these",
            "separators.net/noisy",
        ),
        (
            "denoisers.net/clean",
            {},
            "denoisers.net/clean is none of denoisers.net/noisy; write one of these",
            "denoisers.net/noisy",
        ),
        (
            "denoisers.net",
            {"arguments": {"X": 4}},
            f"denoisers.net has another model or other arguments; {LEFT}",
            None,
        ),
        (
            "denoisers.net",
            {"model": "dprnn"},
            f"denoisers.net has another model or other arguments; {LEFT}",
            None,
        ),
        (
            "separators.own/noisy",
            {},
            "separators.own/noisy waits for separators.own/noisy; leave one init_from out",
            None,
        ),
        (
            "denoisers.",
            {},
            "'denoisers.' does not refer to a model; write <section>.<name>, or"
            " <section>.<name>/<condition> where it is trained on several",
            "denoisers.net",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused(source, changes, line, cure):
    with pytest.raises(PipelineError) as error:
        check_starts(with_start(source, **changes))
    assert str(error.value) == f"config: separators.own.init_from: {line}"
    check_starts(with_start(cure, **changes))


def test_a_published_model_is_no_start():
    denoisers = {"gate": {"model": "spectral_gating"}}
    own = NETWORKS["separators"]["net"] | {"init_from": "denoisers.gate"}
    with pytest.raises(PipelineError) as error:
        check_starts(load_config({"denoisers": denoisers, "separators": {"own": own}}))
    assert str(error.value) == (
        "config: separators.own.init_from: denoisers.gate is not trained, but published; name"
        " another model"
    )
    own["init_from"] = "denoisers.net"
    check_starts(load_config(NETWORKS | {"separators": {"own": own}}))


SMALL = {
    "conv_tasnet": {"N": 12, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1},
    "tiger": {"features": 6, "hidden": 4, "blocks": 1},
    "dprnn": {"n_filters": 16, "bn_chan": 16, "hid_size": 16, "chunk_size": 20, "n_repeats": 1},
    "sudormrf": {"n_filters": 32, "bn_chan": 16, "num_blocks": 2},
}
OUTPUTS = {
    "conv_tasnet": "masker.mask_net.1",
    "tiger": "masks.",
    "dprnn": "network.masker.first_out.1",
    "sudormrf": "network.masker.mask_net.1",
}


@pytest.mark.parametrize("name", list(SMALL))
def test_all_but_the_output_layers_are_taken_over(name, tmp_path):
    denoiser = build(name, SMALL[name], 1, 8000)
    save_weights(path := tmp_path / "d.safetensors", denoiser, Card(name, SMALL[name], 1, 8000, {}))
    separator = build(name, SMALL[name], 3, 8000)
    before = {key: tensor.clone() for key, tensor in separator.state_dict().items()}
    state = torch.get_rng_state()
    afresh = start_from(separator, str(path), name, SMALL[name], 8000)
    assert torch.equal(state, torch.get_rng_state())
    assert afresh and all(key.startswith(OUTPUTS[name]) for key in afresh)
    for key, tensor in separator.state_dict().items():
        assert torch.equal(tensor, before[key] if key in afresh else denoiser.state_dict()[key])


def test_a_circle_through_a_condition_is_refused():
    values = {
        "denoisers": {"net": {"model": "conv_tasnet", "init_from": "separators.net/denoised-net"}},
        "separators": {"net": {"model": "conv_tasnet", "conditions": ["denoised-net"]}},
    }
    with pytest.raises(PipelineError) as error:
        check_starts(load_config(values))
    assert str(error.value) == (
        "config: denoisers.net.init_from: denoisers.net/noisy waits for"
        " separators.net/denoised-net waits for denoisers.net/noisy; leave one init_from out"
    )
    del values["denoisers"]["net"]["init_from"]
    check_starts(load_config(values))


def test_a_name_that_is_wrong_is_told_before_circles_are_looked_for():
    separators = {
        "a": {"model": "conv_tasnet", "conditions": ["noisy"], "init_from": "separators.b"},
        "b": {"model": "conv_tasnet", "conditions": ["noisy"], "init_from": "separators.nowhere"},
    }
    with pytest.raises(PipelineError, match=r"b\.init_from: separators\.nowhere is not"):
        check_starts(load_config(NETWORKS | {"separators": separators}))


def test_an_inner_loss_is_for_a_chain():
    def check(training):
        net = {"model": "conv_tasnet", "conditions": ["noisy"], "training": training}
        check_starts(load_config(NETWORKS | {"separators": {"net": net}}))

    with pytest.raises(PipelineError) as error:
        check({"inner_weight": 0.1})
    assert str(error.value) == (
        "config: separators.net.training.inner_weight: only a chain has an inner signal; set it"
        " under training of a chain"
    )
    check({})
