"""Weights that are damaged or differ from their card: one line, for any damage."""

import json

import pytest
import safetensors.torch
import torch

from pipeline.base.errors import PipelineError
from pipeline.models import build, parse_arguments
from pipeline.models.card import FORMAT
from pipeline.models.weights import load_network, start_from

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
FACTS = {"model": "conv_tasnet", "num_sources": 2, "sample_rate": RATE}
CARD = FACTS | {"arguments": parse_arguments("conv_tasnet", TINY).model_dump()}


def network():
    return build("conv_tasnet", TINY, 2, RATE)


def write(path, card=None, **tensors):
    """A weights file with some of its tensors or its card replaced."""
    state = {n: t.contiguous() for n, t in network().state_dict().items()} | tensors
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    card = json.dumps(CARD) if card is None else card
    safetensors.torch.save_file(state, path, {"format": FORMAT, "card": card})
    return path


def refused(load, path):
    with pytest.raises(PipelineError) as error:
        load(path)
    assert len(str(error.value).splitlines()) == 1 and str(path) in str(error.value)
    return str(error.value).partition(f"{path}")[2]


def load(path):
    return load_network(path, 2, RATE)


def start(path):
    return start_from(network(), str(path), "conv_tasnet", TINY, RATE)


NO_JSON = ["", "{", "[]", "null", "{}", "[" * 5000]
ILL_TYPED = [{key: value} for key in list(CARD)[1:] for value in (None, [], "many", -1.5)]


@pytest.mark.parametrize("card", NO_JSON + [json.dumps(CARD | change) for change in ILL_TYPED])
def test_a_card_that_cannot_be_read_is_refused(tmp_path, card):
    path = write(tmp_path / "w.safetensors", card)
    assert "damaged weights (its card cannot be read); delete it" in refused(load, path)
    refused(start, path)


@pytest.mark.parametrize("card", [{"model": "unet"}, {"arguments": {"N": -1}}])
def test_a_card_of_no_network_names_the_file(tmp_path, card):
    refused(load, write(tmp_path / "w.safetensors", json.dumps(CARD | card)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(tmp_path, bad):
    name, tensor = next(iter(network().state_dict().items()))
    path = write(tmp_path / "w.safetensors", **{name: torch.full_like(tensor, bad)})
    for function in (load, start):
        assert "holds NaN or infinite weights" in refused(function, path)


@pytest.mark.parametrize("tensor", [None, torch.ones(3), torch.ones(2, 3, 4)])
def test_tensors_that_are_not_those_of_the_card_are_refused(tmp_path, tensor):
    name = next(iter(network().state_dict()))
    path = write(tmp_path / "w.safetensors", **{name: tensor})
    assert "not the tensors its card tells of" in refused(load, path)
    assert "does not fit" in refused(start, path)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"state_dict": []},
        {"state_dict": {"a": 1}, "model_args": {}},
        {"state_dict": {}, "model_args": {"sample_rate": "fast"}},
        {"state_dict": {}, "model_args": [1]},
        {"state_dict": {"a": torch.tensor(float("nan"))}, "model_args": {}},
    ],
)
def test_a_checkpoint_not_from_asteroid_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pth")
    assert refused(start, tmp_path / "model.pth")
