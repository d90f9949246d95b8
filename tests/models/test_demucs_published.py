"""Files as the authors of Demucs wrote them, with random weights: read, checked, and told of."""

import logging
import re
import sys
import types

import pytest
import torch
from demucs_oracle import demucs
from malice import Malice
from networks import noise

from pipeline.base.errors import PipelineError
from pipeline.models import build, parse_arguments
from pipeline.models.card import Card
from pipeline.models.weights import licences_of, save_weights, start_from

SMALL = {"hidden": 8, "depth": 3}
BOTH_WAYS = {"hidden": 8, "depth": 3, "causal": False, "stride": 2, "resample": 2}


def layout(hidden=8, depth=3, kernel_size=8, growth=2, causal=True, outputs=1, glu=True, **_):
    """Random tensors with the names and shapes of the published layout."""
    generator = torch.Generator().manual_seed(4)
    shapes, above, scale = {}, 1, 2 if glu else 1
    for level in range(depth):
        width = hidden * growth**level
        encoder, decoder = f"encoder.{level}", f"decoder.{depth - 1 - level}"
        shapes[f"{encoder}.0"] = (width, above, kernel_size), width
        shapes[f"{encoder}.2"] = (scale * width, width, 1), scale * width
        shapes[f"{decoder}.0"] = (scale * width, width, 1), scale * width
        below = above if level else outputs
        shapes[f"{decoder}.2"] = (width, below, kernel_size), below
        above = width
    named = {f"{name}.weight": weight for name, (weight, _) in shapes.items()}
    named |= {f"{name}.bias": (bias,) for name, (_, bias) in shapes.items()}
    for layer in range(2):
        inputs = above if causal or not layer else 2 * above
        for way in ("",) if causal else ("", "_reverse"):
            for part, size in (("ih", inputs), ("hh", above)):
                named[f"lstm.lstm.weight_{part}_l{layer}{way}"] = 4 * above, size
                named[f"lstm.lstm.bias_{part}_l{layer}{way}"] = (4 * above,)
    if not causal:
        named |= {"lstm.linear.weight": (above, 2 * above), "lstm.linear.bias": (above,)}
    return {n: 0.3 * torch.randn(*shape, generator=generator) for n, shape in named.items()}


@pytest.fixture
def theirs(monkeypatch):
    """The class of their network by its name, of which packages hold a reference."""
    module = types.ModuleType("denoiser.demucs")
    module.Demucs = type("Demucs", (), {"__module__": "denoiser.demucs"})
    monkeypatch.setitem(sys.modules, "denoiser", types.ModuleType("denoiser"))
    monkeypatch.setitem(sys.modules, "denoiser.demucs", module)
    return module.Demucs


def package(cls, arguments, *args, **changes):
    kwargs = {"chin": 1, "chout": 1, "normalize": True, "sample_rate": 16_000} | arguments
    kwargs = {name: value for name, value in kwargs.items() if not args or name[:2] != "ch"}
    return {"class": cls, "args": args, "kwargs": kwargs, "state": layout(**arguments)} | changes


def publish(path, content):
    torch.save(content, path)
    return str(path)


def start(source, sources=1, rate=16_000, **arguments):
    torch.manual_seed(0)
    network = build("demucs", arguments, sources, rate)
    start_from(network, str(source), "demucs", arguments, rate)
    return network.eval()


def refused(source, **changes):
    with pytest.raises(PipelineError) as error:
        start(source, **changes)
    line = str(error.value)
    assert "\n" not in line and len(line) < 200 + 2 * len(str(source))
    return line.replace(str(source), "FILE")


def assert_equal_to_the_oracle(network, state, **arguments):
    mixture = 0.1 * noise(700)
    expected = demucs(mixture, state, **arguments)
    with torch.no_grad():
        found = network.double()(mixture[None])[0]
    assert expected.abs().max() > 1e-3
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("normalize", ["utterance", "running"])
def test_tensors_alone_as_in_dns48(tmp_path, normalize, caplog):
    path = publish(tmp_path / "dns48.th", layout(**SMALL))
    network = start(path, **SMALL, normalize=normalize)
    assert_equal_to_the_oracle(network, layout(**SMALL), running=normalize == "running")
    [line] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert line.startswith(f"init_from: {path}: ") and "CC BY-NC 4.0" in line


@pytest.mark.parametrize(
    "arguments", [SMALL, BOTH_WAYS, SMALL | {"glu": False, "depth": 1, "floor": 0.02}], ids=str
)
def test_a_package_as_their_training_writes_it(tmp_path, theirs, arguments):
    path = publish(tmp_path / "best.th", package(theirs, arguments))
    known = {n: v for n, v in arguments.items() if n in ("stride", "resample", "floor")}
    assert_equal_to_the_oracle(start(path, **arguments), layout(**arguments), **known)


def test_a_package_with_arguments_by_position(tmp_path, theirs):
    known = {"stride": 2, "resample": 2}
    content = package(theirs, SMALL, 1, 1, 8, 3, 8, 2, True, 2)
    content["kwargs"] = {}
    path = publish(tmp_path / "best.th", content)
    assert_equal_to_the_oracle(start(path, **SMALL, **known), layout(**SMALL), **known)
    assert "trained with resample 2, stride 2" in refused(path, **SMALL)


def test_the_layout_is_that_of_the_network():
    for arguments in ({"hidden": 48, "depth": 5}, BOTH_WAYS):
        own = build("demucs", arguments, 1, 16_000).state_dict()
        assert {n: t.shape for n, t in layout(**arguments).items()} == {
            n: t.shape for n, t in own.items()
        }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hidden": 12}, "hidden 12"),
        ({"depth": 2}, "depth 2"),
        ({"kernel_size": 6}, "kernel_size 6"),
        ({"growth": 3}, "growth 3"),
        ({"causal": False}, "causal False"),
        ({"glu": False}, "glu False"),
    ],
    ids=str,
)
def test_other_sizes_are_named_and_the_cure_works(tmp_path, change, told):
    path = publish(tmp_path / "w.th", layout(**(SMALL | change)))
    assert refused(path, **SMALL) == (
        f"init_from: FILE does not fit the configured network (it was trained with {told}); give"
        " the arguments it was trained with"
    )
    start(path, **(SMALL | change))


def test_other_settings_of_a_package_are_named(tmp_path, theirs):
    path = publish(tmp_path / "w.th", package(theirs, SMALL | {"stride": 2, "floor": 0.01}))
    assert "(it was trained with floor 0.01, stride 2); give" in refused(path, **SMALL)
    start(path, **SMALL, stride=2, floor=0.01)


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_another_rate_is_named(tmp_path, theirs, rate):
    path = publish(tmp_path / "w.th", layout(**SMALL))
    assert refused(path, rate=rate, **SMALL) == (
        f"init_from: FILE was trained at 16000 Hz, sample_rate is {rate}; use weights of that rate"
    )
    start(path, **SMALL)
    content = package(theirs, SMALL | {"sample_rate": rate})
    start(publish(tmp_path / "other.th", content), rate=rate, **SMALL)


def test_other_outputs_start_afresh(tmp_path, caplog):
    state = layout(**SMALL)
    network = start(publish(tmp_path / "w.th", state), sources=2, **SMALL)
    last = ["decoder.2.2.bias", "decoder.2.2.weight"]
    assert f"{', '.join(last)} start afresh" in caplog.text
    for name, tensor in network.state_dict().items():
        assert name in last or torch.equal(tensor, state[name])


def without(name):
    return {n: t for n, t in layout(**SMALL).items() if n != name}


BAD = {
    "no first layer": (without("encoder.0.0.weight"), "it lacks the layers of Demucs"),
    "flat": (layout(**SMALL) | {"encoder.0.0.weight": torch.ones(8)}, "it lacks the layers"),
    "no tensors": ({"state": layout(**SMALL)}, "'args'"),
    "list": ([1, 2], "it is no dictionary"),
    "no tensor": (layout(**SMALL) | {"extra": "text"}, "its extra is no usual tensor"),
    "sparse": (layout(**SMALL) | {"extra": torch.eye(3).to_sparse()}, "its extra is no usual"),
    "whole numbers": (
        {name: tensor.int() for name, tensor in layout(**SMALL).items()},
        "its encoder.0.0.weight is no usual tensor",
    ),
    "complex": (
        layout(**SMALL) | {"lstm.lstm.bias_ih_l0": torch.ones(128, dtype=torch.complex64)},
        "its lstm.lstm.bias_ih_l0 is no usual tensor",
    ),
    "tiny file of a huge tensor": (
        layout(**SMALL) | {"lstm.lstm.weight_ih_l0": torch.zeros(1).expand(10**6, 10**6)},
        "its lstm.lstm.weight_ih_l0 is larger than what the file holds of it",
    ),
    "text": (package(None, SMALL | {"stride": "wide"}), "its stride is not a number"),
    "none": (package(None, SMALL | {"normalize": False}), "its network does not normalise"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_start_is_made_once_another_file_is_given(tmp_path, case):
    content, cause = BAD[case]
    line = refused(publish(tmp_path / "w.th", content), **SMALL)
    start_of_line = (
        "init_from: FILE is neither a .safetensors file nor readable weights of"
        " facebookresearch/denoiser ("
    )
    assert line.startswith(start_of_line + cause), line
    assert line.endswith("); give another path")
    start(publish(tmp_path / "right.th", layout(**SMALL)), **SMALL)


def test_no_code_of_a_file_is_run(tmp_path):
    content = {"class": Malice(str(tmp_path / "made")), "args": (), "kwargs": {}}
    line = refused(publish(tmp_path / "w.th", content), **SMALL)
    assert "Trying to load unsupported GLOBAL" in line and not (tmp_path / "made").exists()


def test_files_that_are_cut_or_not_there(tmp_path):
    whole = tmp_path / "w.th"
    publish(whole, layout(**SMALL))
    (tmp_path / "cut.th").write_bytes(whole.read_bytes()[:5000])
    for name in ("cut.th", "absent.th", "facebook/dns48"):
        assert "nor readable weights of facebookresearch/denoiser" in refused(tmp_path / name)
    assert "No such file" in refused(tmp_path / "absent.th")
    start(whole, **SMALL)


def test_weights_that_are_not_finite_or_too_many(tmp_path):
    bad = layout(**SMALL)
    bad["decoder.0.0.bias"][0] = torch.nan
    line = refused(publish(tmp_path / "w.th", bad), **SMALL)
    assert "holds NaN or infinite weights (decoder.0.0.bias); give another file" in line
    more = layout(**SMALL) | {"extra": torch.ones(1)}
    assert "(tensor extra)" in refused(publish(tmp_path / "m.th", more), **SMALL)


def test_their_licence_goes_with_all_weights_that_start_from_them(tmp_path):
    path = publish(tmp_path / "w.th", layout(**SMALL))
    [licence] = licences_of(path, "demucs")
    assert re.search("facebookresearch/denoiser.*CC BY-NC 4.0", licence)
    arguments = parse_arguments("demucs", SMALL).model_dump()
    card = Card("demucs", arguments, 1, 16_000, {"licences": ["Corpus: CC0", licence]})
    ours = tmp_path / "ours.safetensors"
    save_weights(ours, start(path, **SMALL), card)
    assert licences_of(str(ours), "demucs") == ["Corpus: CC0", licence]
    assert licences_of("mpariente/hub", "conv_tasnet") == []
