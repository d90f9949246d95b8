"""The blocks' own backward pass against asteroid's network with the same weights, in double."""

import copy

import pytest
import torch
import torch.nn.functional as F
from asteroid_conv_tasnet import asteroid_twin

from pipeline.models import build
from pipeline.models.conv_tasnet import kernels
from pipeline.models.conv_tasnet.backward import FusedBlock

TINY = {"N": 16, "L": 16, "B": 8, "H": 24, "Sc": 8, "P": 3, "X": 3, "R": 2}
VARIANTS = [{}, {"Sc": 0}, {"mask": "sigmoid"}, {"P": 5}, {"P": 1}, {"L": 5}, {"H": 17}]


def make(**changes):
    """A network with all weights moved from their initial values."""
    torch.manual_seed(1)
    network = build("conv_tasnet", TINY | changes, 2, 8000)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.fixture
def passes(monkeypatch):
    """The number of passes through blocks with a backward pass of their own."""
    counted, real = [], FusedBlock.backward

    def backward(context, *gradients):
        counted.append(1)
        return real(context, *gradients)

    monkeypatch.setattr(FusedBlock, "backward", staticmethod(backward))
    return counted


def gradients(network, mixtures, lengths=None):
    """Estimates, and the gradients of the mixtures and the weights."""
    network.zero_grad()
    inputs = mixtures.clone().requires_grad_()
    estimates = network(inputs) if lengths is None else network(inputs, lengths)
    torch.manual_seed(3)
    (estimates * torch.randn(estimates.shape, dtype=torch.double)).sum().backward()
    zero = torch.zeros(())
    of_weights = [zero if p.grad is None else p.grad for p in network.parameters()]
    return [estimates.detach(), inputs.grad, *of_weights]


def assert_alike(found, expected, tolerance=2e-5):
    for one, other in zip(found, expected, strict=True):
        distance = (one.double() - other.double()).norm()
        assert distance <= tolerance * other.double().norm() + 1e-5


@pytest.fixture(params=kernels.CLONES)
def clone(request, monkeypatch):
    """Each clone in turn, selected like a user would."""
    kernels._library.cache_clear()
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    if not kernels.use_clone(request.param):
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    kernels._library.cache_clear()


@pytest.mark.parametrize("time", [1603, 100, 40])  # 199 frames to four, for dilations up to 4
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_gradients_are_asteroids(changes, time, passes):
    network = make(**changes)
    twin = asteroid_twin(network).double()
    twin.load_state_dict(network.state_dict())
    mixtures = torch.randn(3, time)
    found = gradients(network, mixtures)
    assert len(passes) == 6
    assert_alike(found, gradients(twin, mixtures.double()))


def test_an_even_kernel_gives_what_torch_gives(passes):
    network, mixtures = make(P=2), torch.randn(2, 400)
    assert_alike(gradients(network, mixtures), gradients(network.double(), mixtures.double()))
    assert len(passes) == 6  # none of the second


def test_every_clone_gives_the_same(clone):
    network, mixtures = make(H=100), torch.randn(2, 1000)
    assert kernels.clone_in_use() == clone
    assert_alike(gradients(network, mixtures), gradients(network.double(), mixtures.double()))


def test_gradients_are_the_same_in_every_run(passes):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    network, mixtures = make(), torch.randn(2, 4000)
    first = gradients(network, mixtures)
    for _ in range(5):
        assert all(map(torch.equal, gradients(network, mixtures), first))
    torch.set_num_threads(threads)
    assert_alike(gradients(network, mixtures), first)


@pytest.mark.parametrize("changes", [{"causal": True, "norm": "cLN"}, {"norm": "cLN"}])
def test_norms_of_frames_go_through_torch(changes, passes):
    gradients(make(**changes), torch.randn(1, 400))
    assert not passes


def test_other_precisions_and_padding_go_through_torch(passes, monkeypatch):
    network, mixtures = make(), torch.randn(2, 400)
    gradients(network.double(), mixtures.double())
    gradients(network.float(), mixtures, torch.tensor([400, 300]))
    with torch.autocast("cpu", torch.bfloat16):
        gradients(network, mixtures)
    monkeypatch.setattr(kernels, "_library", lambda: None)
    gradients(network, mixtures)
    assert not passes


@pytest.mark.parametrize("place", [1, 4])
def test_a_slope_that_hides_the_sign_goes_through_torch(place, passes):
    network = make()
    expected = copy.deepcopy(network).double()
    for one in (network, expected):
        list(one.masker.TCN[1].layers())[place].weight.data.fill_(-0.2)
    mixtures = torch.randn(2, 400)
    assert_alike(gradients(network, mixtures), gradients(expected, mixtures.double()))
    assert not passes


def test_gradients_of_gradients_are_refused():
    network, mixtures = make(), torch.randn(1, 400, requires_grad=True)
    [first] = torch.autograd.grad(network(mixtures).sum(), mixtures, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_a_shortage_of_memory_is_an_error(monkeypatch):
    class Short:
        @staticmethod
        def activate_back(*_):
            return 0

    monkeypatch.setattr(kernels, "_compiled", lambda: Short)
    rows = torch.ones(4, 8)
    with pytest.raises(MemoryError):
        kernels.activate_back(rows, rows, rows[:1], 1, (0.0, 0.0), 0.25, rows)


@pytest.mark.parametrize("width", [512, 100, 17, 1])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_kernels_are_gradients_of_a_norm_an_activation_and_a_convolution(clone, width, count):
    torch.manual_seed(0)
    dilation, rows, slope, shift, scale = 4, 37, 0.3, 0.2, -0.4
    context = torch.randn(rows + (count - 1) * dilation, width)
    taps, constant, gradient = (
        torch.randn(count, width),
        torch.randn(width),
        torch.randn(rows, width),
    )

    signals = context.T[None].double().requires_grad_()
    weights, bias = taps.T[:, None].double().requires_grad_(), constant.double().requires_grad_()
    sloped = torch.tensor([slope], dtype=torch.double, requires_grad=True)
    inner = F.conv1d(signals, weights, bias, dilation=dilation, groups=width)
    activated = F.prelu(inner, sloped)[0].T
    (activated * gradient + shift * activated + scale * activated.square() / 2).sum().backward()

    out, norm = torch.empty(rows, width), (shift, scale)
    given = activated.detach().float().contiguous()
    of_slope, channels = kernels.convolve_back(gradient, given, context, dilation, norm, slope, out)
    assert of_slope == pytest.approx(sloped.grad.item(), rel=1e-4, abs=1e-4)
    expected = torch.cat([bias.grad[None], weights.grad[:, 0].T])
    torch.testing.assert_close(channels.double(), expected, rtol=1e-4, atol=1e-4)

    # The taps in reverse over a padded gradient are the gradient of the convolution's input.
    reach = (count - 1) * dilation
    padded = F.pad(out, (0, 0, reach, reach)).contiguous()
    wide, ahead = torch.randn(len(context), width), torch.empty(len(context), width)
    before = signals.grad[0].T + shift + scale * wide
    expected = before * torch.where(wide > 0, 1.0, slope)
    of_slope, channels = kernels.activate_back(
        padded, wide, taps.flip(0).contiguous(), dilation, norm, slope, ahead
    )
    torch.testing.assert_close(ahead.double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(channels.double(), expected.sum(0), rtol=1e-4, atol=1e-3)
    below = (before * wide.clamp(max=0)).sum().item() / slope
    assert of_slope == pytest.approx(below, rel=1e-4, abs=1e-3)
