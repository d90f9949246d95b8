"""A denoiser and a separator as one network: its parts, and where its weights come from."""

from dataclasses import replace

import pytest
import torch

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.config.extensions import LOADED
from pipeline.experiment import Experiment
from pipeline.models import MODELS, build, look_ahead, parse_arguments
from pipeline.models.cost import multiply_adds
from pipeline.models.signals import Inputs, passed
from pipeline.models.starts import check_starts, starts_of
from pipeline.tasks.grammar import ModelKey

TINY = {"N": 12, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
DEMUCS = {"hidden": 8, "depth": 2, "resample": 1}
PARTS = {
    "first": {"model": "demucs", "arguments": DEMUCS},
    "second": {"model": "conv_tasnet", "arguments": TINY},
}
REFERENCES = {"first": "denoisers.net", "second": "separators.net/noisy"}


def configured(arguments=REFERENCES, init_from="parts", **changes):
    joint = {"model": "chain", "arguments": arguments, "conditions": ["noisy"]} | changes
    joint |= {"init_from": init_from} if init_from else {}
    net = {"model": "conv_tasnet", "arguments": TINY, "conditions": ["noisy", "clean"]}
    denoisers = {"net": {"model": "demucs", "arguments": DEMUCS}, "gate": {"model": "rnnoise"}}
    return load_config({"denoisers": denoisers, "separators": {"net": net, "joint": joint}})


def test_it_separates_what_its_first_network_returns():
    chain = build("chain", PARTS, 2, 8000).eval()
    mixture = torch.randn(2, 1000)
    with torch.no_grad():
        found = passed(chain, Inputs(mixture))
        inner = chain.first(mixture)
        assert torch.equal(found.inner, inner) and inner.shape == (2, 1, 1000)
        assert torch.equal(found.estimates, chain.second(inner[:, 0]))


def test_it_costs_what_both_cost():
    count = {
        name: sum(p.numel() for p in build(name, arguments, outputs, 8000).parameters())
        for name, arguments, outputs in (("demucs", DEMUCS, 1), ("conv_tasnet", TINY, 2))
    }
    chain = build("chain", PARTS, 2, 8000)
    assert sum(p.numel() for p in chain.parameters()) == sum(count.values())
    both = multiply_adds("demucs", DEMUCS, 1, 8000) + multiply_adds("conv_tasnet", TINY, 2, 8000)
    assert multiply_adds("chain", PARTS, 2, 8000) == pytest.approx(both)


def test_it_looks_ahead_as_far_as_both():
    causal = TINY | {"causal": True}
    parts = [{"model": "conv_tasnet", "arguments": causal}] * 2
    of_one = look_ahead("conv_tasnet", causal, 8000)
    both = {"first": parts[0], "second": parts[1]}
    assert look_ahead("chain", both, 8000) == pytest.approx(2 * of_one)
    assert look_ahead("chain", PARTS, 8000) is None


def test_references_stand_for_networks():
    check_starts(config := configured())
    joint = type("W", (), {"task": "separate", "name": "joint", "trained": "noisy", "run": "2"})
    job = Experiment(config).training_job(joint)
    first, second = job["arguments"]["first"], job["arguments"]["second"]
    assert (first["model"], second["model"]) == ("demucs", "conv_tasnet")
    for part, given in ((first, DEMUCS), (second, TINY)):  # as cards have them
        defaults = parse_arguments(part["model"], given).model_dump(mode="json")
        assert part["arguments"] == defaults
    build("chain", job["arguments"], 2, 8000)
    with pytest.raises(PipelineError) as error:
        build("chain", REFERENCES, 2, 8000)
    assert str(error.value) == (
        "chain: first and second refer to models of a run; give their model and arguments here"
    )


def test_an_extension_of_a_part_is_an_input(monkeypatch):
    joint = type("W", (), {"task": "separate", "name": "joint", "trained": "noisy", "run": "0"})
    monkeypatch.setitem(LOADED, "mine", "/my/mine.py")
    experiment = Experiment(configured())
    assert experiment.training_inputs(joint)["extensions"] == []
    monkeypatch.setitem(MODELS, "demucs", replace(MODELS["demucs"]))
    changed = replace(MODELS["demucs"], look_ahead=lambda arguments, rate: None)
    monkeypatch.setitem(MODELS, "demucs", changed)
    assert experiment.training_inputs(joint)["extensions"] == ["/my/mine.py"]


def test_its_parts_are_trained_first():
    config = configured()
    starts = ["denoise/net/noisy/1", "separate/net/noisy/1"]
    model = ModelKey.parse("separate/joint/noisy/1")
    assert starts_of(config, model) == [ModelKey.parse(start) for start in starts]
    joint = type("W", (), {"task": "separate", "name": "joint", "trained": "noisy", "run": "1"})
    files = [f"results/models/{start}/model.safetensors" for start in starts]
    experiment = Experiment(config)
    assert experiment.training_inputs(joint)["init"] == files
    assert experiment.training_job(joint)["init_from"] == files
    alone = Experiment(configured(init_from=None))
    assert alone.training_inputs(joint)["init"] == []
    assert alone.training_job(joint)["init_from"] is None


def test_it_is_tested_without_another_denoiser():
    systems = [s for s in Experiment(configured()).systems if s.model.name == "joint"]
    assert [str(system.tested) for system in systems] == ["clean", "noisy"]


OTHERS = "write one of these, or name another network under"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            REFERENCES | {"first": "denoisers.x"},
            f"arguments: denoisers.x is none of denoisers.net; {OTHERS} denoisers",
        ),
        (
            REFERENCES | {"first": "denoisers.gate"},
            f"arguments: denoisers.gate is none of denoisers.net; {OTHERS} denoisers",
        ),
        (
            REFERENCES | {"first": "separators.net"},
            f"arguments: separators.net is none of denoisers.net; {OTHERS} denoisers",
        ),
        (
            REFERENCES | {"second": "separators.joint/noisy"},
            f"arguments: separators.joint/noisy is none of separators.net; {OTHERS} separators",
        ),
        (
            REFERENCES | {"second": "separators.net/denoised-net"},
            "arguments: separators.net/denoised-net is none of separators.net/noisy,"
            " separators.net/clean; write one of these",
        ),
        (
            REFERENCES | {"second": "separators.net"},
            "init_from: separators.net is none of separators.net/noisy, separators.net/clean;"
            " write one of these",
        ),
        (
            PARTS,
            "arguments: \"{'model': 'demucs', 'arguments': {'hidden': 8, 'depth': 2,"
            " 'resample': 1}}\" does not refer",
        ),
    ],
)
def test_a_chain_of_other_models_is_refused(arguments, line):
    with pytest.raises(PipelineError) as error:
        check_starts(configured(arguments))
    found = str(error.value).replace("'{'", "\"{'").replace("}}'", '}}"')
    assert found.startswith(f"config: separators.joint.{line}")
    check_starts(configured())


def test_a_chain_needs_a_network_of_its_section():
    config = load_config(
        {
            "denoisers": {"net": {"model": "demucs"}},
            "separators": {
                "joint": {"model": "chain", "arguments": REFERENCES, "conditions": ["noisy"]}
            },
        }
    )
    with pytest.raises(PipelineError) as error:
        check_starts(config)
    assert str(error.value) == (
        "config: separators.joint.arguments: separators.net/noisy is not there, or name another"
        " network under separators"
    )
    check_starts(configured())


@pytest.mark.parametrize("conditions", [["clean"], ["noisy", "denoised-net"]])
def test_a_chain_is_trained_on_noisy_mixtures(conditions):
    with pytest.raises(PipelineError) as error:
        check_starts(configured(conditions=conditions))
    assert str(error.value) == (
        "config: separators.joint.conditions: a chain denoises by itself; write [noisy]"
    )
    check_starts(configured(conditions=["noisy"]))


def test_parts_are_for_a_chain():
    wrong = {"model": "conv_tasnet", "arguments": {}}
    with pytest.raises(PipelineError) as error:
        check_starts(configured(**wrong))
    assert str(error.value) == (
        "config: separators.joint.init_from: parts is for a chain; give another one, or leave"
        " init_from out"
    )
    check_starts(configured(**wrong, init_from=None))
    check_starts(configured())


def test_both_have_an_output_for_the_noise_or_none():
    with pytest.raises(PipelineError) as error:
        check_starts(configured(noise_output=True))
    assert str(error.value) == (
        "config: separators.joint.init_from: separators.net/noisy differs in noise_output; give"
        " both the same"
    )
    check_starts(configured(noise_output=True, init_from=None))
