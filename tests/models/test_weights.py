import os
import pickle
import stat
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from asteroid_conv_tasnet import asteroid_twin
from malice import Malice

from pipeline.base.errors import PipelineError
from pipeline.models import build, parse_arguments
from pipeline.models.card import Card, read_card
from pipeline.models.weights import load_network, save_weights, start_from

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
OUTPUTS = ["masker.mask_net.1.bias", "masker.mask_net.1.weight"]


def make(sources=2, **changes):
    return build("conv_tasnet", TINY | changes, sources, RATE)


def save(path, network, sources=2, rate=RATE, **changes):
    arguments = parse_arguments("conv_tasnet", TINY | changes).model_dump()
    save_weights(path, network, Card("conv_tasnet", arguments, sources, rate, {"steps": 3}))
    return str(path)


def begin(network, source, rate=RATE, **changes):
    return start_from(network, source, "conv_tasnet", TINY | changes, rate)


def assert_same_tensors(one, other, but=()):
    other = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other[name]) == (name not in but), name


def assert_one_line(error, path):
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert ";" in str(error.value)  # cause; cure


@pytest.fixture
def saved(tmp_path):
    network = make()
    return network, save(tmp_path / "w.safetensors", network)


def test_round_trip_is_exact(saved):
    network, path = saved
    loaded, mixture = load_network(path, 2, RATE), torch.randn(1, 1234)
    assert_same_tensors(network, loaded)
    assert torch.equal(network.eval()(mixture), loaded(mixture))
    assert not loaded.training


def test_card_comes_back(saved):
    arguments = TINY | {"P": 3, "norm": "gLN", "mask": "relu", "causal": False}
    assert read_card(saved[1]) == Card("conv_tasnet", arguments, 2, RATE, {"steps": 3})


def test_file_has_the_permissions_of_any_other(tmp_path):
    before = os.umask(0o022)
    try:
        path = save(tmp_path / "w.safetensors", make())
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644  # noqa: PTH116
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_missing_file(tmp_path):
    path = tmp_path / "none.safetensors"
    with pytest.raises(PipelineError, match="no such weights file; check the path") as error:
        load_network(path, 2, RATE)
    assert_one_line(error, path)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_truncated_file(saved, tmp_path, size):
    path = tmp_path / "w.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(PipelineError, match=r"damaged weights .*; delete it") as error:
        load_network(path, 2, RATE)
    assert_one_line(error, path)


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.ones(2)}, path)
    with pytest.raises(PipelineError, match="not a weights file of this project; delete") as error:
        read_card(path)
    assert_one_line(error, path)


@pytest.mark.parametrize(
    "sources, rate, message", [(3, RATE, "gives 2 signals, asked for 3"), (2, 16000, "8000 Hz")]
)
def test_weights_for_something_else(saved, sources, rate, message):
    with pytest.raises(PipelineError, match=message) as error:
        load_network(saved[1], sources, rate)
    assert_one_line(error, saved[1])


def test_start_from_ours(saved):
    network = make()
    assert begin(network, saved[1]) == []
    assert_same_tensors(network, saved[0])


def test_start_from_ours_with_other_outputs_leaves_the_outputs(saved, caplog):
    network = make(3)
    before = {name: network.state_dict()[name].clone() for name in OUTPUTS}
    assert begin(network, saved[1]) == OUTPUTS
    for name, tensor in network.state_dict().items():
        expected = before[name] if name in OUTPUTS else saved[0].state_dict()[name]
        assert torch.equal(tensor, expected), name
    assert all(name in caplog.text for name in OUTPUTS)


@pytest.mark.parametrize("sources", [2, 3])
def test_start_from_a_checkpoint_saved_by_asteroid(tmp_path, sources):
    theirs, network = make(2), make(sources)
    path = tmp_path / "model.pth"
    torch.save(asteroid_twin(theirs).serialize(), path)
    left = begin(network, str(path))
    assert left == ([] if sources == 2 else OUTPUTS)
    own = network.state_dict()
    copied = {n: t for n, t in theirs.state_dict().items() if n not in left}
    assert len(copied) > 20 and all(torch.equal(own[n], t) for n, t in copied.items())


@pytest.mark.parametrize("kind", ["ours", "asteroid"])
@pytest.mark.parametrize(
    "change",
    [{"B": 12}, {"N": 24}, {"X": 1}, {"X": 3}, {"norm": "cLN"}, {"mask": "sigmoid"}],
    ids=str,
)
def test_start_from_other_arguments_is_refused(tmp_path, kind, change):
    theirs = make(**change)
    path = tmp_path / ("w.safetensors" if kind == "ours" else "model.pth")
    if kind == "ours":
        save(path, theirs, **change)
    else:
        torch.save(asteroid_twin(theirs).serialize(), path)
    network = make()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with pytest.raises(PipelineError, match="does not fit the configured network") as error:
        begin(network, str(path))
    assert_one_line(error, path)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())


def test_tensors_that_the_network_lacks_are_not_dropped(tmp_path):
    content = asteroid_twin(make()).serialize()
    content["state_dict"]["masker.extra"] = torch.ones(3)
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(PipelineError, match=r"tensor masker\.extra"):
        begin(make(), str(tmp_path / "model.pth"))


@pytest.mark.parametrize("kind", ["ours", "asteroid"])
def test_start_from_another_rate_is_refused(tmp_path, kind):
    path = tmp_path / ("w.safetensors" if kind == "ours" else "model.pth")
    if kind == "ours":
        save(path, make(), rate=16000)
    else:
        torch.save(asteroid_twin(build("conv_tasnet", TINY, 2, 16000)).serialize(), path)
    with pytest.raises(PipelineError, match="16000 Hz, sample_rate is 8000") as error:
        begin(make(), str(path))
    assert_one_line(error, path)


@pytest.mark.slow
def test_unreachable_hub_name_is_one_line(tmp_path):
    # This is a process of its own, since the hub's client reads the environment once.
    code = f"""
from pipeline.models import build
from pipeline.models.weights import start_from
start_from(build("conv_tasnet", {TINY}, 2, 8000), "no-such/name", "conv_tasnet", {TINY}, 8000)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "ASTEROID_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    last = run.stderr.decode().strip().splitlines()[-1]
    assert run.returncode == 1
    assert last.startswith("pipeline.base.errors.PipelineError: init_from: no-such/name is neither")
    assert last.endswith("give another path or hub name")


@pytest.mark.parametrize("write", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x))])
def test_pickle_with_code_is_refused_and_not_run(tmp_path, write):
    made, path = tmp_path / "made", tmp_path / "model.pth"
    write({"state_dict": Malice(str(made)), "model_args": {}}, path)
    with pytest.raises(PipelineError, match="nor a readable asteroid checkpoint") as error:
        begin(make(), str(path))
    assert_one_line(error, path)
    assert not made.exists()
