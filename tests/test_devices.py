import pytest
import torch

from pipeline import devices
from pipeline.config import Machine
from pipeline.errors import PipelineError

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


def test_cpu_is_named():
    name = devices.describe(torch.device("cpu"))
    assert name.startswith("CPU ") and len(name) > 6 and "\n" not in name


@pytest.mark.gpu
@pytest.mark.skipif(NO_GPU, reason="needs a GPU")
def test_gpu_is_named():
    device = devices.open_device(Machine(device="cuda"))
    assert devices.describe(device) == torch.cuda.get_device_name()


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
