import subprocess
import sys

import pytest
import torch

from pipeline import models
from pipeline.base.errors import PipelineError

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}


def conv_tasnet_parameters(sources, N=512, L=16, B=128, H=512, Sc=128, P=3, X=8, R=3):
    """Count from the paper's figure 1: weights, biases, gains and PReLU slopes."""
    encoder = decoder = N * L
    bottleneck = 2 * N + N * B + B  # layer norm, then a 1x1 convolution
    block = (B * H + H) + 1 + 2 * H  # 1x1 convolution, PReLU, norm
    block += (H * P + H) + 1 + 2 * H  # depthwise convolution, PReLU, norm
    block += (H * B + B) + (H * Sc + Sc)  # residual and skip outputs
    masks = 1 + Sc * N * sources + N * sources  # PReLU, 1x1 convolution
    return encoder + bottleneck + X * R * block + masks + decoder


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("sources", [1, 2, 3, 5])
@pytest.mark.parametrize("time", [800, 1001, 1999])
def test_output_has_a_signal_a_source_as_long_as_the_input(sources, time):
    network = models.build("conv_tasnet", TINY, sources, 8000)
    assert network(torch.randn(2, time)).shape == (2, sources, time)


@pytest.mark.parametrize("sources", [1, 3])
@pytest.mark.parametrize("arguments", [TINY, TINY | {"P": 5, "R": 2}, {}])
def test_parameters_are_those_of_the_paper(arguments, sources):
    network = models.build("conv_tasnet", arguments, sources, 8000)
    assert count(network) == conv_tasnet_parameters(sources, **arguments)


def test_published_configuration_has_5_million_parameters():
    assert count(models.build("conv_tasnet", {}, 2, 8000)) == pytest.approx(5.1e6, rel=0.02)


def test_a_causal_network_depends_on_no_future():
    network = models.build("conv_tasnet", TINY | {"causal": True, "norm": "cLN"}, 2, 8000).eval()
    mixture = torch.randn(1, 1600)
    changed = mixture.clone()
    changed[:, 800:] = 0
    before, after = network(mixture)[..., :780], network(changed)[..., :780]
    torch.testing.assert_close(before, after)


def reach(arguments):
    """By how many samples an output can come before the input that changes it, measured."""
    network = models.build("conv_tasnet", arguments, 2, 8000).double().eval()
    mixture = torch.randn(1, 1600, dtype=torch.double)
    reaches = []
    for time in range(800, 800 + arguments["L"] // 2):  # each place in a frame
        changed = mixture.clone()
        changed[:, time] += 1
        with torch.inference_mode():
            difference = (network(mixture) - network(changed)).abs().amax((0, 1))
        reaches.append(time - int(difference.nonzero()[0]))
    return max(reaches)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("sizes", [{}, {"L": 10, "X": 3, "R": 2}, {"L": 5, "P": 5}, {"X": 1}])
def test_look_ahead_is_what_the_network_hangs_on(sizes, causal):
    arguments = TINY | sizes | {"causal": causal, "norm": "cLN"}
    seconds = models.look_ahead("conv_tasnet", arguments, 8000)
    assert seconds * 8000 == pytest.approx(reach(arguments))


def test_global_norm_needs_the_whole_recording():
    assert models.look_ahead("conv_tasnet", TINY, 8000) is None
    assert reach(TINY) >= 800  # its first sample changes


@pytest.mark.filterwarnings("ignore:In causal configuration")
def test_causal_network_has_no_global_norm():
    arguments = TINY | {"causal": True, "norm": "gLN"}
    assert models.look_ahead("conv_tasnet", arguments, 8000) * 8000 == reach(arguments) == 15


def test_look_ahead_is_half_the_receptive_field_of_the_paper():
    # Table II: 1.53 s for the non-causal network; a frame of 16 samples is 2 ms.
    assert models.look_ahead("conv_tasnet", {"norm": "cLN"}, 8000) == pytest.approx(1.53 / 2, 0.01)
    causal = models.look_ahead("conv_tasnet", {"norm": "cLN", "causal": True}, 8000)
    assert causal == pytest.approx(15 / 8000)


def test_look_ahead_needs_no_torch():
    code = "import sys; from pipeline.models import look_ahead as f; f('conv_tasnet', {}, 8000)"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)


def test_unknown_model_is_refused_with_the_allowed_ones():
    allowed = "conv_tasnet, dprnn, dptnet, sudormrf, tiger, chain, demucs, wave_u_net, gatewave"
    with pytest.raises(PipelineError, match=f"'wavenet' is not registered; allowed: {allowed}"):
        models.build("wavenet", {}, 2, 8000)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"M": 3}, r"arguments\.M: unknown key; allowed here: B, H, L"),
        ({"N": 0}, r"arguments\.N: .*greater than 0"),
        ({"N": "many"}, r"arguments\.N: .*not 'many'"),
        ({"norm": "BN"}, r"arguments\.norm: .*gLN"),
    ],
)
def test_bad_argument_is_named(arguments, message):
    with pytest.raises(PipelineError, match=message):
        models.parse_arguments("conv_tasnet", arguments)
