"""Checkpoints of asteroid: the loaded network equals asteroid's; unsupported ones are named."""

import inspect
import io
import logging
import re
import socket
import time
import zipfile

import numpy as np
import pytest
import torch
from asteroid_conv_tasnet import ConvTasNet, asteroid_twin
from loopback import Loopback, Manners
from malice import Malice

from pipeline.base.errors import PipelineError
from pipeline.models import build, checkpoint
from pipeline.models.checkpoint import DEFAULTS, read_checkpoint
from pipeline.models.weights import start_from

RATE = 8000
SMALL = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
THEIRS = {
    "n_filters": 16,
    "kernel_size": 16,
    "bn_chan": 8,
    "hid_chan": 16,
    "skip_chan": 8,
    "n_blocks": 2,
    "n_repeats": 1,
    "mask_act": "relu",
    "n_src": 2,
    "sample_rate": RATE,
}


def publish(path, network, given=None, **entries):
    """A checkpoint as published by asteroid's recipes, with the arguments `given`."""
    content = network.serialize() | {
        "model_args": network.get_model_args() if given is None else given,
        "dataset": "Libri2Mix",
        "task": "sep_clean",
        "licenses": [{"title": "LibriSpeech", "non_commercial": False}],
    }
    content["infos"] |= {
        "recipe_name": "librimix/ConvTasNet",
        "training_config": {"optim": {"lr": 1e-3}, "main_args": {"help": None}},
        "final_metrics": {"si_sdr": np.float64(12.5), "n": np.int64(3000), "s": np.float32(1.5)},
    }
    torch.save(content | entries, path)
    return str(path)


def start(network, source, **changes):
    return start_from(network, source, "conv_tasnet", SMALL | changes, RATE)


def refused(source, **changes):
    network = build("conv_tasnet", SMALL | changes, 2, RATE)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(PipelineError) as error:
        start(network, str(source), **changes)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    line = str(error.value)
    assert len(line) < 300 and line.startswith(f"init_from: {source}") and "; " in line
    return line.removeprefix(f"init_from: {source} ")


SAME = [  # asteroid's values, and their names in our network
    ({}, {}),
    ({"encoder_activation": None}, {}),
    ({"encoder_activation": "linear"}, {}),
    ({"fb_name": "free"}, {}),
    ({"fb_name": "FreeFB", "in_chan": 16, "out_chan": 16}, {}),
    ({"in_chan": None, "out_chan": None, "stride": None}, {}),
    ({"who_is_pinv": None, "padding": 0, "output_padding": 0}, {}),
    ({"mask_act": "sigmoid"}, {"mask": "sigmoid"}),
    ({"norm_type": "GlobLN"}, {}),
    ({"norm_type": "cLN"}, {"norm": "cLN"}),
    ({"norm_type": "ChanLN"}, {"norm": "cLN"}),
    ({"causal": True, "norm_type": "cLN"}, {"causal": True}),
    ({"causal": True, "norm_type": "gLN"}, {"causal": True}),
    ({"causal": True, "norm_type": "bN"}, {"causal": True, "norm": "cLN"}),
    ({"skip_chan": None}, {"Sc": 0}),
    ({"skip_chan": 0}, {"Sc": 0}),
    ({"kernel_size": 20, "stride": 10, "conv_kernel_size": 5}, {"L": 20, "P": 5}),
    ({"n_filters": np.int64(16), "sample_rate": np.float64(8000)}, {}),
    ({"sample_rate": 8000.0}, {}),
]


@pytest.mark.filterwarnings("ignore:In causal configuration")
@pytest.mark.parametrize("theirs, ours", SAME, ids=str)
def test_an_accepted_checkpoint_gives_the_output_of_asteroid(tmp_path, theirs, ours):
    torch.manual_seed(1)
    given = THEIRS | theirs
    twin = ConvTasNet(**given).eval()
    for parameter in twin.parameters():  # otherwise norms and slopes are ones
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    network = build("conv_tasnet", SMALL | ours, 2, RATE).eval()
    assert start(network, publish(tmp_path / "m.pth", twin, given), **ours) == []
    mixture = torch.randn(2, 4000)
    with torch.no_grad():
        expected, found = twin(mixture), network(mixture)
    assert expected.abs().max() > 0.01
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    "name, value",
    [
        ("encoder_activation", "relu"),
        ("encoder_activation", "prelu"),
        ("fb_name", "stft"),
        ("fb_name", "AnalyticFreeFB"),
        ("mask_act", "softmax"),
        ("mask_act", "linear"),
        ("norm_type", "cgLN"),
        ("norm_type", "bN"),
        ("stride", 4),
        ("in_chan", 18),
        ("out_chan", 8),
        ("who_is_pinv", "decoder"),
        ("padding", 8),
        ("output_padding", 1),
        ("something_new", True),
    ],
)
def test_unsupported_arguments_are_named(tmp_path, name, value):
    given = THEIRS | {name: value}
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), given)
    assert refused(path) == (
        f"was trained with {name} {value!r}, which conv_tasnet does not have here;"
        " use other weights, or leave init_from out"
    )


def test_a_causal_network_with_a_norm_over_the_past_is_named(tmp_path):
    given = THEIRS | {"causal": True, "norm_type": "cgLN"}
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), given)
    assert "norm_type 'cgLN'" in refused(path, causal=True)


def test_arguments_left_out_are_asteroid_s_own(tmp_path):
    """Its masks are sigmoids by default, ours are not."""
    signature = inspect.signature(ConvTasNet).parameters
    assert {name: signature[name].default for name in DEFAULTS} == DEFAULTS
    twin = ConvTasNet(**(THEIRS | {"mask_act": "sigmoid"}))
    given = {name: value for name, value in THEIRS.items() if name != "mask_act"}
    path = publish(tmp_path / "m.pth", twin, given)
    line = refused(path)
    assert "(it was trained with mask 'sigmoid'); give the arguments it was trained with" in line
    start(build("conv_tasnet", SMALL | {"mask": "sigmoid"}, 2, RATE), path, mask="sigmoid")


CHANGES = [{"B": 12}, {"N": 24}, {"X": 3}, {"P": 5}, {"norm": "cLN"}, {"mask": "sigmoid"}]


@pytest.mark.parametrize("change", [*CHANGES, {"causal": True}, {"Sc": 0}], ids=str)
def test_the_cure_for_other_arguments_works(tmp_path, change):
    theirs = build("conv_tasnet", SMALL | change, 2, RATE)
    path = publish(tmp_path / "m.pth", asteroid_twin(theirs))
    [(name, value)] = change.items()
    assert f"(it was trained with {name} {value!r}); give the arguments" in refused(path)
    network = build("conv_tasnet", SMALL | change, 2, RATE)
    assert start(network, path, **change) == []


@pytest.mark.parametrize("model", ["VADNet", "DPRNNTasNet"])
def test_another_model_is_named(tmp_path, model):
    """A VADNet has the same tensors."""
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), model_name=model)
    assert f"holds a {model}, not a ConvTasNet" in refused(path)


@pytest.mark.parametrize("new_zip", [True, False])
@pytest.mark.parametrize("module", ["numpy._core.multiarray", "numpy.core.multiarray"])
def test_metrics_that_are_scalars_of_numpy_are_read(tmp_path, module, new_zip, monkeypatch):
    saved = torch.save
    monkeypatch.setattr(torch, "save", lambda *a: saved(*a, _use_new_zipfile_serialization=new_zip))
    path = tmp_path / "m.pth"
    publish(path, ConvTasNet(**THEIRS))
    rename_in_pickle(path, b"numpy._core.multiarray", module.encode())
    found = read_checkpoint(str(path))
    assert found.sample_rate == RATE and found.arguments["N"] == 16


@pytest.mark.parametrize("kind", [np.float16, np.int8, np.uint64, np.bool_, np.str_, ">f8", ">i4"])
def test_scalars_of_any_kind_come_as_plain_values(tmp_path, kind):
    scalar = np.array(["8000"] if kind is np.str_ else [1], kind)[0]
    given = THEIRS | {"something_new": scalar}
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), given)
    assert f"something_new {scalar.item()!r}, which" in refused(path)


def rename_in_pickle(path, old, new):
    """Put another name of a module into a checkpoint of either format."""
    content = path.read_bytes()
    if not zipfile.is_zipfile(path):
        assert old in content
        path.write_bytes(content.replace(old, new))
        return
    before = zipfile.ZipFile(io.BytesIO(content))
    with zipfile.ZipFile(path, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            after.writestr(info, content)


@pytest.mark.parametrize(
    "value",
    [np.ones(3), np.datetime64("2020-01-01"), np.void(b"abc"), object(), Malice("x"), print],
    ids=["array", "date", "void", "object", "malice", "function"],
)
def test_anything_else_in_a_pickle_is_refused_in_a_short_line(tmp_path, value):
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), extra=value)
    line = refused(path)
    assert re.fullmatch(
        r"is neither a \.safetensors file nor a readable asteroid checkpoint"
        r" \([^;]{10,120}\); give another path or hub name",
        line,
    )
    assert "x1b" not in line


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("mask_act", torch.ones(3), "its mask_act is neither a number nor a text"),
        ("bn_chan", [8], "its bn_chan is neither a number nor a text"),
        ("bn_chan", 8.5, "its bn_chan is not a whole number"),
        ("sample_rate", "fast", "could not convert string to float"),
    ],
)
def test_invalid_arguments(tmp_path, name, value, said):
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), THEIRS | {name: value})
    assert said in refused(path)


@pytest.mark.parametrize(
    "content, said",
    [
        ([1], "it has no state_dict"),
        ({"state_dict": {}}, "it has no model_args"),
        ({"state_dict": [], "model_args": {}}, "it has no state_dict"),
        ({"state_dict": {"a": 1}, "model_args": {}}, "its a is no usual tensor"),
        ({"state_dict": {"a": torch.eye(2).to_sparse()}, "model_args": {}}, "its a is no usual"),
        (
            {"state_dict": {"a": torch.ones(2, device="meta")}, "model_args": {}},
            "its a is no usual",
        ),
    ],
)
def test_a_file_that_is_not_a_checkpoint_is_refused_with_the_reason(tmp_path, content, said):
    torch.save(content, tmp_path / "m.pth")
    assert f"asteroid checkpoint ({said}" in refused(tmp_path / "m.pth")


@pytest.mark.parametrize("name", ["none.pth", "/no/such/folder/none", "./none"])
def test_a_file_that_is_not_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert "asteroid checkpoint (no such file); give another path" in refused(name)


def test_a_silent_server_is_given_up(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("asteroid.utils.hub_utils.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(checkpoint, "SILENCE", 0.3)
    server = Loopback({"/m.pth": b"x" * 100}, lambda path, number: Manners(stall=10))
    address = server.url("/m.pth")
    began = time.monotonic()
    assert "asteroid checkpoint (timed out); give another path" in refused(address)
    assert time.monotonic() - began < 5 and socket.getdefaulttimeout() is None
    server.close()
    assert f"init_from: {address} is no file here; looking for it on the network" in caplog.text


def test_a_checkpoint_without_its_rate_is_used_with_a_message(tmp_path, caplog):
    given = {name: value for name, value in THEIRS.items() if name != "sample_rate"}
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), given)
    start(build("conv_tasnet", SMALL, 2, RATE), path)
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"init_from: {path} does not say its sample rate; it is used as if trained at 8000 Hz:"
        " check that it was"
    )
    caplog.clear()
    start(build("conv_tasnet", SMALL, 2, RATE), publish(tmp_path / "m.pth", ConvTasNet(**THEIRS)))
    assert not caplog.records


def test_the_rate_of_asteroid_s_own_list_is_known(tmp_path, monkeypatch):
    """Like asteroid's own loader: they were published without a rate."""
    given = {name: value for name, value in THEIRS.items() if name != "sample_rate"}
    path = publish(tmp_path / "m.pth", ConvTasNet(**THEIRS), given)
    monkeypatch.setattr("pipeline.models.asteroid.cached_download", lambda name: path)
    assert read_checkpoint("mpariente/ConvTasNet_WHAM!_sepclean").sample_rate == 8000
