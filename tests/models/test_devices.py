import pytest
import torch

from pipeline.base.errors import PipelineError
from pipeline.config import Machine
from pipeline.models import build, devices

NO_GPU = not torch.cuda.is_available()


@pytest.fixture(autouse=True)
def same_threads_after():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_cpu_is_opened_with_its_threads(threads):
    device = devices.open_device(Machine(device="cpu", threads=threads))
    assert device == torch.device("cpu")
    assert torch.get_num_threads() == threads


def test_auto_takes_the_gpu_where_there_is_one():
    assert devices.open_device(Machine()).type == ("cpu" if NO_GPU else "cuda")


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
def test_cuda_without_a_gpu_is_one_line_with_a_cure():
    with pytest.raises(PipelineError, match=r"machine\.device: .*no GPU.*set it to auto") as e:
        devices.open_device(Machine(device="cuda"))
    assert "\n" not in str(e.value)
    for cure in ("auto", "cpu"):
        assert devices.open_device(Machine(device=cure)) == torch.device("cpu")


@pytest.mark.parametrize("cure", [(1, 1), (2, 2)], ids=["lower it", "let the job see more"])
def test_fewer_gpus_than_devices_is_one_line_with_cures(monkeypatch, cure):
    asked, seen = cure
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(PipelineError) as error:
        devices.open_device(Machine(device="cuda"), devices=2)
    assert str(error.value) == (
        "training.devices: 2 GPUs are asked for and 1 seen; lower it, or let the job see more"
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    assert devices.open_device(Machine(device="cuda"), devices=asked) == torch.device("cuda")


def test_cpu_is_named():
    name = devices.describe(torch.device("cpu"))
    assert name.startswith("CPU ") and len(name) > 6 and "\n" not in name


@pytest.mark.gpu
@pytest.mark.skipif(NO_GPU, reason="needs a GPU")
def test_gpu_is_named():
    device = devices.open_device(Machine(device="cuda"))
    assert devices.describe(device) == torch.cuda.get_device_name()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())


def compiled(network):
    return network._compiled_call_impl is not None


@pytest.mark.parametrize("asked, on_a_cpu", [("auto", False), (False, False), (True, True)])
def test_networks_are_compiled_where_it_is_requested(network, asked, on_a_cpu):
    devices.compile_networks(Machine(compile=asked), torch.device("cpu"), network, None)
    assert compiled(network) == on_a_cpu


def test_without_a_compiler_they_run_as_they_are(network, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with caplog.at_level("INFO"):
        devices.compile_networks(Machine(compile=True), torch.device("cpu"), network)
    assert not compiled(network) and "no C++ compiler" in caplog.text


@pytest.mark.slow
def test_a_compiled_conv_tasnet_is_trained_to_the_same_weights():
    arguments = {"N": 8, "B": 4, "H": 8, "Sc": 4, "X": 1, "R": 1}
    network, mixtures = build("conv_tasnet", arguments, 2, 8000), torch.randn(2, 800)
    gradients = []
    for asked in (False, True):
        devices.compile_networks(Machine(compile=asked), torch.device("cpu"), network)
        network.zero_grad()
        network(mixtures).square().sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
    assert compiled(network)
    for eager, fast in zip(*gradients, strict=True):
        torch.testing.assert_close(eager, fast, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "found, supported",
    [
        ({"avx512_bf16": True, "avx2": True}, True),
        ({"avx512_bf16": False, "avx512_f": True}, False),
        ({"bf16": True, "neon": True}, True),
        ({"neon": True}, False),
    ],
)
def test_bf16_of_a_cpu_is_by_its_instructions(monkeypatch, found, supported):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert devices.supports_bf16(torch.device("cpu")) is supported


@pytest.mark.parametrize("supported, precision", [(True, "bf16"), (False, "fp32")])
def test_bf16_is_for_devices_that_have_it(monkeypatch, caplog, supported, precision):
    caplog.set_level("INFO")
    monkeypatch.setattr(devices, "supports_bf16", lambda device: supported)
    assert devices.precision_on(torch.device("cpu"), "bf16") == precision
    assert devices.precision_on(torch.device("cpu"), "fp32") == "fp32"
    said = [line for line in caplog.messages if "no bf16 instructions: running in fp32" in line]
    assert len(said) == (0 if supported else 1)
