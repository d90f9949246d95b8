"""Every error line about weights, with its cure followed: a network is then loaded or started."""

import numpy as np
import pytest
import safetensors.torch
import torch
from asteroid_conv_tasnet import ConvTasNet, asteroid_twin

from pipeline.base.errors import PipelineError
from pipeline.models import build, parse_arguments
from pipeline.models.card import Card
from pipeline.models.conv_tasnet.streaming import Stream
from pipeline.models.weights import load_network, save_weights, start_from

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
THEIRS = {
    **{"n_filters": 16, "kernel_size": 16, "bn_chan": 8, "hid_chan": 16, "skip_chan": 8},
    **{"n_blocks": 2, "n_repeats": 1, "mask_act": "relu", "n_src": 2, "sample_rate": RATE},
}


def save(path, sources=2, rate=RATE, model="conv_tasnet", spoil=0.0, **changes):
    """Write weights like a training; `spoil` is added to all of them."""
    network = build("conv_tasnet", TINY | changes, sources, rate)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += spoil
    arguments = parse_arguments("conv_tasnet", TINY | changes).model_dump()
    save_weights(path, network, Card(model, arguments, sources, rate))
    return path


def start(source, rate=RATE, **changes):
    network = build("conv_tasnet", TINY | changes, 2, rate)
    return start_from(network, str(source), "conv_tasnet", TINY | changes, rate)


def refused(function, *arguments, **values):
    with pytest.raises(PipelineError) as error:
        function(*arguments, **values)
    return str(error.value)


def cut(path):
    save(path).write_bytes(path.read_bytes()[:500])


def without_card(path):
    safetensors.torch.save_file({"a": torch.ones(2)}, path)


def with_bad_card(path):
    save(path)
    state = safetensors.torch.load_file(path)
    metadata = {"format": "denoise-then-separate 1", "card": "{"}
    safetensors.torch.save_file(state, path, metadata)


def with_other_tensors(path):
    save(path)
    with safetensors.safe_open(str(path), "pt") as file:
        metadata = file.metadata()
    state = safetensors.torch.load_file(path)
    safetensors.torch.save_file(state | {next(iter(state)): torch.ones(3)}, path, metadata)


FRESH = "delete it and state/ beside it, and run again"
DAMAGES = {
    "cut": (cut, "damaged weights (Error", "delete it and run again"),
    "foreign": (without_card, "is not a weights file of this project", "delete it and run again"),
    "card": (with_bad_card, "damaged weights (its card cannot", "delete it and run again"),
    "tensors": (with_other_tensors, "damaged weights (not the tensors", "delete it and run again"),
    "NaN": (lambda p: save(p, spoil=np.nan), "holds NaN or infinite weights", FRESH),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_weights_of_ours_are_loaded_once_they_are_made_again(tmp_path, case):
    """`tests/training/test_training_cures.py` tests the steps of a run in this case."""
    damage, fault, cure = DAMAGES[case]
    path = tmp_path / "model.safetensors"
    damage(path)
    line = refused(load_network, path, 2, RATE)
    assert line.startswith(f"{path}: {fault}") and line.endswith(f"; {cure}")
    path.unlink()
    load_network(save(path), 2, RATE)


@pytest.mark.parametrize("case", DAMAGES)
def test_a_start_is_made_once_another_file_is_given(tmp_path, case):
    damage, fault, _ = DAMAGES[case]
    path = tmp_path / "start.safetensors"
    damage(path)
    line = refused(start, path)
    if case == "tensors":
        assert line.startswith(f"init_from: {path} does not fit the configured network (tensor ")
        assert line.endswith("; give another file as init_from, or leave init_from out")
    else:
        assert line.startswith(f"{path}: {fault}") and "give another file as init_from" in line
    assert start(save(tmp_path / "other.safetensors")) == []
    if "copy it again" in line:
        assert start(save(path)) == []


def test_weights_that_are_not_there(tmp_path):
    path = tmp_path / "model.safetensors"
    for function in (lambda p: load_network(p, 2, RATE), start):
        assert refused(function, path) == (
            f"{path}: no such weights file; check the path, or run the same command again"
        )
        function(save(tmp_path / "right.safetensors"))
        function(save(path))
        path.unlink()


def test_weights_of_another_rate_or_number_of_speakers(tmp_path):
    path, other = save(tmp_path / "w.safetensors"), tmp_path / "other.safetensors"
    assert refused(load_network, path, 2, 16000) == (
        f"{path}: trained at 8000 Hz, asked for 16000 Hz; use weights of that rate or change"
        " sample_rate"
    )
    load_network(save(other, rate=16000), 2, 16000)
    load_network(path, 2, RATE)
    assert refused(load_network, path, 3, RATE) == (
        f"{path}: gives 2 signals, asked for 3; use a model trained for that number of speakers"
    )
    load_network(save(other, sources=3), 3, RATE)


@pytest.mark.parametrize("kind", ["ours", "asteroid"])
def test_a_start_of_another_rate(tmp_path, kind):
    def make(name, rate):
        if kind == "ours":
            return save(tmp_path / f"{name}.safetensors", rate=rate)
        twin = asteroid_twin(build("conv_tasnet", TINY, 2, rate))
        torch.save(twin.serialize(), tmp_path / f"{name}.pth")
        return tmp_path / f"{name}.pth"

    path = make("w", RATE)
    assert refused(start, path, 16000) == (
        f"init_from: {path} was trained at 8000 Hz, sample_rate is 16000; use weights of that rate"
    )
    assert start(make("right", 16000), 16000) == []


def test_a_start_of_another_model(tmp_path):
    path = save(tmp_path / "w.safetensors", model="unet")
    assert refused(start, path) == (
        f"init_from: {path} holds a unet, not a conv_tasnet; use weights of that model"
    )
    assert start(save(tmp_path / "right.safetensors")) == []


def test_a_start_of_other_arguments(tmp_path):
    path = save(tmp_path / "w.safetensors", B=12, norm="cLN")
    assert refused(start, path) == (
        f"init_from: {path} does not fit the configured network (it was trained with B 12, norm"
        " 'cLN'); give the arguments it was trained with"
    )
    assert start(path, B=12, norm="cLN") == []


def publish(path, given=None, **entries):
    """A checkpoint as published by asteroid's recipes."""
    content = ConvTasNet(**THEIRS).serialize() | {"model_args": THEIRS | (given or {})}
    torch.save(content | entries, path)
    return path


@pytest.mark.parametrize(
    "given, entries, line",
    [
        (
            {"encoder_activation": "relu"},
            {},
            "was trained with encoder_activation 'relu', which conv_tasnet does not have here; use"
            " other weights, or leave init_from out",
        ),
        (
            {},
            {"model_name": "VADNet"},
            "holds a VADNet, not a ConvTasNet; use weights of that model",
        ),
        (
            {},
            {"model_args": None},
            "is neither a .safetensors file nor a readable asteroid checkpoint (it has no"
            " model_args); give another path or hub name",
        ),
    ],
)
def test_a_start_is_made_once_another_checkpoint_is_given(tmp_path, given, entries, line):
    path = publish(tmp_path / "m.pth", given, **entries)
    assert refused(start, path) == f"init_from: {path} {line}"
    assert start(publish(tmp_path / "right.pth")) == []


def test_a_stream_is_opened_once_the_network_is_causal():
    with pytest.raises(PipelineError, match="train one with causal: true in its arguments"):
        Stream(build("conv_tasnet", TINY, 2, RATE))
    Stream(build("conv_tasnet", TINY | {"causal": True}, 2, RATE).eval())
