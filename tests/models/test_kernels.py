"""The compiled kernels, each of their clones, against torch in double precision."""

import platform
import re
import shutil
import subprocess
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from pipeline.base.errors import PipelineError
from pipeline.models.conv_tasnet import kernels

REGISTERS = {"avx512": "zmm", "avx2": "ymm", "default": "xmm"}
WIDTHS = [512, 100, 24, 17, 1]  # full vectors, and remainders of every size
SLOPES = [0.25, 0.0, -0.3]


@pytest.fixture(autouse=True)
def afresh():
    """The clone is chosen anew in each test, and again after the last one."""
    kernels._library.cache_clear()
    yield
    kernels._library.cache_clear()


@pytest.fixture
def available(monkeypatch):
    """The clones that this processor has, best first."""
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    found = [name for name in kernels.CLONES if kernels.use_clone(name)]
    kernels._library.cache_clear()
    return found


@pytest.fixture(params=kernels.CLONES)
def clone(request, available, monkeypatch):
    """Each clone in turn, selected like a user would."""
    if request.param not in available:
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(kernels.VARIABLE, request.param)
    assert kernels.clone_in_use() == request.param
    return request.param


@pytest.fixture
def random():
    generator = torch.Generator().manual_seed(3)
    return lambda *shape: torch.randn(shape, generator=generator)


def assert_close(found, sums, expected):
    """Values up to rounding; sums up to the rounding of the sum of magnitudes."""
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)
    scale = 1e-6 * expected.abs().sum().item() + 1e-6
    assert sums.first == pytest.approx(expected.sum().item(), abs=scale)
    assert sums.second == pytest.approx(expected.square().sum().item(), rel=1e-6)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("slope", SLOPES)
def test_activate_is_bias_and_prelu(clone, random, width, slope):
    rows, bias = random(37, width), random(width)
    expected = F.leaky_relu(rows.double() + bias.double(), slope)
    sums = kernels.activate(rows, bias, slope)
    assert_close(rows, sums, expected)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_convolve_is_depthwise_convolution_and_prelu(clone, random, width, count):
    dilation, rows = 4, 37
    context = random(rows + (count - 1) * dilation, width)
    taps, constant = random(count, width), random(width)
    out = torch.empty(rows, width)
    sums = kernels.convolve(context, taps, dilation, constant, -0.3, out)
    signals, weights = context.T[None].double(), taps.T[:, None].double()
    [convolved] = F.conv1d(signals, weights, constant.double(), dilation=dilation, groups=width)
    assert_close(out, sums, F.leaky_relu(convolved.T, -0.3))


def test_values_that_are_not_finite_stay_so(clone):
    rows = torch.tensor([[float("nan"), float("inf"), -float("inf"), -0.0] * 5])
    sums = kernels.activate(rows, torch.zeros(20), 0.25)
    expected = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0] * 5)
    torch.testing.assert_close(rows[0], expected, equal_nan=True)
    assert sums.first != sums.first and sums.second != sums.second


def test_the_best_clone_is_used(available):
    assert kernels.clone_in_use() == available[0]


def test_a_clone_that_is_not_here_is_not_used(available):
    assert not kernels.use_clone("avx3")
    assert kernels.clone_in_use() == available[0]


def test_a_clone_that_is_not_here_is_refused_with_cures_that_work(available, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, "avx3")
    here = ", ".join(reversed(available))
    with pytest.raises(PipelineError) as caught:
        kernels.activate(torch.ones(1, 4), torch.ones(4), 0.25)
    assert str(caught.value) == (
        f"CONV_TASNET_KERNELS: avx3 is asked for and this processor has {here};"
        " set it to one of these, or unset it"
    )
    for cure in [*available, ""]:
        monkeypatch.setenv(kernels.VARIABLE, cure)
        kernels._library.cache_clear()
        kernels.activate(torch.ones(1, 4), torch.ones(4), 0.25)
        assert kernels.clone_in_use() == (cure or available[0])


@pytest.fixture(scope="module")
def packed():
    """The number of each packed operation on each kind of register, for each compiled function."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the clones are of x86-64")
    if not shutil.which("objdump"):
        pytest.skip("objdump is not installed (Debian: binutils)")
    command = ["objdump", "--disassemble", "--no-show-raw-insn", kernels._library()._name]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counts = {}
    for function, body in re.findall(r"^\w+ <(\w+)>:\n((?:.+\n)+)", listing, re.MULTILINE):
        operations = re.findall(r"\tv?(cmp\w*|add|mul|fmadd\d+)ps .*%([xyz]mm)", body)
        counts[function] = Counter((name[:3], register) for name, register in operations)
    return counts


@pytest.mark.parametrize("clone", kernels.CLONES)
@pytest.mark.parametrize(
    "function, loops",
    [("activate", 1), ("convolve", 2), ("activate_back", 2), ("convolve_back", 1)],
)
def test_every_loop_of_a_clone_is_vectorised(clone, function, loops, packed):
    """A loop with PReLU compares packed values once, multiplies, and adds to two sums."""
    counts, register = packed[f"{function}_{clone}"], REGISTERS[clone]
    assert counts["cmp", register] >= loops
    multiplied = counts["mul", register] + counts["fma", register]
    assert multiplied >= 2 * loops  # the product with the slope is counted separately
    assert counts["add", register] + counts["fma", register] >= 2 * loops
