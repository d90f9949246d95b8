"""Our Conv-TasNet against asteroid's with the same weights, in double precision."""

import math

import onnxruntime
import pytest
import torch
from asteroid_conv_tasnet import ConvTasNet, asteroid_twin

from pipeline.models import build
from pipeline.models.conv_tasnet import kernels

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "P": 3, "X": 3, "R": 2}
VARIANTS = [
    {},
    {"norm": "cLN"},
    {"causal": True, "norm": "cLN"},
    {"Sc": 0},
    {"Sc": 0, "causal": True, "norm": "cLN"},
    {"mask": "sigmoid"},
    {"P": 5},
    {"L": 5},
    {"P": 1},
]
TIME = 1603


def make(sources=2, seed=1, **changes):
    """A network with all weights moved from their initial values."""
    torch.manual_seed(seed)
    network = build("conv_tasnet", TINY | changes, sources, 8000).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.fixture(params=VARIANTS, ids=str)
def pair(request):
    network = make(**request.param)
    twin = asteroid_twin(network).double()
    twin.load_state_dict(network.state_dict())  # in double precision
    return network, twin


@pytest.fixture
def mixtures():
    return torch.randn(2, TIME, dtype=torch.double, generator=torch.Generator().manual_seed(2))


def test_tensors_have_asteroids_names_and_begin_as_asteroids_do():
    torch.manual_seed(5)
    network = build("conv_tasnet", TINY, 3, 8000)
    torch.manual_seed(5)
    expected = ConvTasNet(**network.get_model_args()).state_dict()
    assert list(network.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[n]) for n, tensor in network.state_dict().items())


def test_estimates_and_gradients_are_asteroids(pair, mixtures):
    network, twin = pair
    estimates, expected = network(mixtures), twin(mixtures)
    torch.testing.assert_close(estimates, expected, rtol=1e-9, atol=1e-12)
    weights = torch.randn_like(expected)
    (estimates * weights).sum().backward()
    (expected * weights).sum().backward()
    for (name, own), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        gradient = torch.zeros_like(own) if other.grad is None else other.grad
        torch.testing.assert_close(own.grad, gradient, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("time", [TIME, 100, 24, 16])  # 199 frames to one, for dilations up to 4
def test_tiles_give_the_same(pair, mixtures, time, monkeypatch):
    monkeypatch.setattr("pipeline.models.conv_tasnet.tiled.ELEMENTS", 16 * 30)  # 30 frames each
    (network, twin), mixtures = pair, mixtures[:, :time]
    with torch.inference_mode():
        torch.testing.assert_close(network(mixtures), twin(mixtures), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gradients", [True, False])
def test_padding_changes_nothing(pair, mixtures, gradients):
    network, _ = pair
    lengths = torch.tensor([TIME, 1109])
    padded = mixtures * (torch.arange(TIME) < lengths[:, None])
    with torch.set_grad_enabled(gradients):
        together = network(padded, lengths)
        alone = network(padded[1:, :1109])
    torch.testing.assert_close(together[1:, :, :1109], alone, rtol=1e-9, atol=1e-12)
    assert not together[1, :, 1109:].any()


@pytest.mark.parametrize("kernel", [2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_an_even_kernel_gives_as_many_frames(kernel, causal, mixtures):
    network = make(P=kernel, causal=causal)
    trained = network(mixtures)
    with torch.no_grad():
        torch.testing.assert_close(network(mixtures), trained, rtol=1e-9, atol=1e-12)


def test_compiled_kernels_exist_and_equal_torch(mixtures, monkeypatch):
    assert kernels._library() is not None
    network, mixtures = make(H=24, P=5).float(), mixtures.float()
    with torch.inference_mode():
        compiled = network(mixtures)
        monkeypatch.setattr(kernels, "_library", lambda: None)
        torch.testing.assert_close(network(mixtures), compiled)


def test_a_compiled_part_of_other_code_is_not_used(monkeypatch, caplog):
    kernels._library.cache_clear()
    monkeypatch.setattr(kernels, "VERSION", kernels.VERSION + 1)
    caplog.set_level("INFO")
    assert kernels._library() is None
    assert "install it again" in caplog.text
    kernels._library.cache_clear()


def test_sums_of_a_long_recording_are_exact():
    values = torch.randn(15_000_000, generator=torch.Generator().manual_seed(0)) + 1
    exact = values.double()
    first, second = kernels.sums_of(values)
    assert first == pytest.approx(exact.sum().item(), rel=1e-6)
    assert second == pytest.approx(exact.square().sum().item(), rel=1e-6)


def test_a_constant_signal_gives_finite_output():
    network = make(N=1, H=1, B=1, Sc=1).float()
    with torch.inference_mode():
        for level in (0.0, 0.1, 1.0, 30.0):
            assert network(torch.full((1, TIME), level)).isfinite().all()


def test_a_frozen_network_arranges_its_weights_once_until_they_change(mixtures):
    network, other = make().requires_grad_(False), make(seed=2)
    with torch.no_grad():
        before = network(mixtures)
        arranged = network._kept
        torch.testing.assert_close(network(mixtures), before, rtol=0, atol=0)
        assert network._kept is arranged
        network.load_state_dict(other.state_dict())
        torch.testing.assert_close(network(mixtures), other(mixtures), rtol=0, atol=0)
        network.float()
        assert network(mixtures.float()).dtype == torch.float32


def test_weights_in_training_may_change_unseen(mixtures):
    """For example when an average of them is swapped in."""
    network = make()
    with torch.no_grad():
        network(mixtures)
        for weight in network.masker.TCN.parameters():
            weight.data.mul_(0.9)
        estimates = network(mixtures)
    torch.testing.assert_close(estimates, network(mixtures), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gradients", [True, False])
def test_a_recording_shorter_than_a_filter(gradients):
    with torch.set_grad_enabled(gradients):
        estimates = make()(torch.ones(1, 7, dtype=torch.double))
    assert estimates.shape == (1, 2, 7) and estimates.isfinite().all() and estimates.any()


def test_bfloat16_costs_little():
    network, mixture = make(H=32, B=16).float(), torch.randn(1, TIME)
    with torch.inference_mode():
        exact = network(mixture)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(mixture)
    noise = (exact - rounded).square().sum() / exact.square().sum()
    assert -70 < 10 * math.log10(noise) < -30


def test_prelu_of_any_slope():
    network, mixtures = make(), torch.randn(2, 400, dtype=torch.double)
    slope = network.masker.mask_net[0].weight
    with torch.no_grad():
        slope.fill_(-0.5)
    inputs = mixtures.requires_grad_()

    def activate(inputs, slope):
        return torch.nn.utils.stateless.functional_call(
            network.masker.mask_net[0], {"weight": slope}, inputs
        )

    assert torch.autograd.gradcheck(activate, (inputs[:, :40], slope))


@pytest.fixture(scope="module")
def exported():
    """A network, and its graph for any number of mixtures of any length."""
    network, batch, time = (
        make().float().eval(),
        torch.export.Dim("batch", min=1, max=64),
        torch.export.Dim("time", min=32, max=10**8),
    )
    with torch.no_grad():
        return network, torch.export.export(
            network,
            (torch.randn(2, 1600),),
            dynamic_shapes={"mixtures": {0: batch, 1: time}},
            prefer_deferred_runtime_asserts_over_guards=True,
        )


@pytest.mark.parametrize("batch, time", [(2, 1600), (3, 1603), (2, 401)])
def test_exported_for_any_length(exported, batch, time):
    network, graph = exported
    mixtures = torch.randn(batch, time)
    torch.testing.assert_close(graph.module()(mixtures), network(mixtures))


@pytest.mark.slow
def test_onnx_of_any_length(exported, tmp_path):
    network, graph = exported
    torch.onnx.export(graph, (), tmp_path / "network.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    for time in (1600, 1603, 401):
        mixtures = torch.randn(3, time)
        [found] = session.run(None, {"mixtures": mixtures.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), network(mixtures), rtol=1e-4, atol=1e-5)
