"""Demucs against its counts, an independent implementation, and its look-ahead by gradients."""

import pytest
import torch
from demucs_oracle import demucs, interpolation
from networks import count, last_dependence, noise

from pipeline.base.errors import PipelineError
from pipeline.models import MODELS, build, look_ahead, parse_arguments
from pipeline.models.cost import SECONDS, multiply_adds
from pipeline.models.demucs import Arguments, steps
from pipeline.models.demucs.sinc import doubled, halfway_filter, halved

TINY = {"hidden": 8, "depth": 3}
RUNNING = TINY | {"normalize": "running"}


def make(sources=1, **arguments):
    torch.manual_seed(3)
    return build("demucs", arguments, sources, 16000).double().eval()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 18_867_937),
        ({"hidden": 64}, 33_533_569),
        ({"hidden": 16}, 2_101_153),
        ({"hidden": 64, "stride": 2, "resample": 2, "causal": False}, 60_813_953),
    ],
)
def test_parameters_are_those_of_the_published_network(arguments, expected):
    assert count(build("demucs", arguments, 1, 16000)) == expected


VARIANTS = [
    {},
    {"causal": False},
    {"resample": 2, "stride": 2},
    {"resample": 1, "glu": False},
    {"kernel_size": 5, "stride": 3},
    {"growth": 3, "depth": 2, "floor": 0.1},
    {"normalize": "running"},
]


@pytest.mark.parametrize("time", [1, 2, 401])
@pytest.mark.parametrize("change", VARIANTS, ids=str)
def test_estimates_are_those_of_an_independent_implementation(change, time):
    network, mixture = make(2, **(TINY | change)), 0.1 * noise(time)
    arguments = network.arguments
    with torch.no_grad():
        expected = demucs(
            mixture,
            network.state_dict(),
            arguments.stride,
            arguments.resample,
            arguments.floor,
            arguments.normalize == "running",
        )
        found = network(mixture[None])[0]
    assert expected.abs().max() > 1e-6 or (time == 1 and not expected.any())
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("time", [1, 2, 101])
def test_resampling_is_interpolation_by_a_windowed_sinc(time):
    signals, halfway = noise(2, 3, time), halfway_filter().double()
    matrix = interpolation(time)
    torch.testing.assert_close(doubled(signals, halfway), signals @ matrix.T, atol=1e-6, rtol=0)
    signals = noise(2, 3, 2 * time)
    torch.testing.assert_close(halved(signals, halfway), signals @ matrix / 2, atol=1e-6, rtol=0)
    odd = torch.cat([signals[..., :-1], torch.zeros(2, 3, 1)], -1)
    torch.testing.assert_close(halved(signals[..., :-1], halfway), halved(odd, halfway))


def test_a_tone_keeps_its_phase_on_the_way_through():
    wave = torch.sin(0.4 * torch.arange(4000))
    halfway = halfway_filter()
    found = halved(doubled(wave, halfway), halfway)
    torch.testing.assert_close(found[200:-200], wave[200:-200], atol=1e-3, rtol=0)


@pytest.mark.parametrize("arguments", [TINY, RUNNING, TINY | {"causal": False}], ids=str)
@pytest.mark.parametrize("time", [1, 2, 3, 100, 801])
def test_a_recording_of_any_length_keeps_it(arguments, time):
    estimates = make(3, **arguments)(noise(2, time))
    assert estimates.shape == (2, 3, time) and estimates.isfinite().all()


@pytest.mark.parametrize("arguments", [TINY, RUNNING], ids=str)
def test_each_recording_of_a_batch_is_scaled_alone(arguments):
    network, mixtures = make(**arguments), noise(3, 500) * torch.tensor([[1e-4], [1.0], [30.0]])
    with torch.no_grad():
        alone = torch.cat([network(mixture[None]) for mixture in mixtures])
        torch.testing.assert_close(network(mixtures), alone, rtol=1e-9, atol=0)
    assert not MODELS["demucs"].exact_padding  # of a padded one the zeros would count, too


@pytest.mark.parametrize("arguments", [TINY, RUNNING], ids=str)
def test_silence_stays_silence_and_has_finite_gradients(arguments):
    network, mixture = make(**arguments), torch.zeros(1, 300, dtype=torch.double)
    mixture.requires_grad_()
    estimates = network(mixture)
    assert estimates.abs().max() < 1e-9
    estimates.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    assert mixture.grad.isfinite().all()


def test_the_running_scale_is_that_of_the_samples_so_far():
    network, mixture = make(**RUNNING), 0.1 * noise(1, 900)
    louder = torch.cat([mixture[:, :800], 10 * mixture[:, 800:]], 1)
    ahead = round(look_ahead("demucs", RUNNING, 1))
    with torch.no_grad():
        before, after = network(mixture)[0, 0], network(louder)[0, 0]
    torch.testing.assert_close(before[: 800 - ahead], after[: 800 - ahead], rtol=0, atol=0)
    assert not torch.equal(before[: 801 - ahead + 64], after[: 801 - ahead + 64])


CAUSAL = [
    {},
    {"hidden": 4, "depth": 5},
    {"resample": 2},
    {"resample": 1},
    {"kernel_size": 5, "stride": 2},
    {"kernel_size": 4, "stride": 3, "depth": 2},
    {"kernel_size": 3, "stride": 2, "resample": 2},
]


def open_up(network):
    """Let every ReLU pass its input, so that no gradient vanishes."""
    with torch.no_grad():
        for layer in [*(e[0] for e in network.encoder), *(d[2] for d in network.decoder)]:
            layer.bias.fill_(5)
    return network


@pytest.mark.parametrize("change", CAUSAL, ids=str)
def test_look_ahead_is_the_one_that_gradients_show(change):
    network, ahead = open_up(make(**(RUNNING | change))), []
    for sample, last in steps(network.arguments, network.arguments.resample):
        mixture = noise(last + 100)
        ahead.append(last_dependence(network, mixture, sample) - sample)
        assert ahead[-1] + sample == last
        # The sample before is content with a frame less, so none in between needs more.
        assert last_dependence(network, mixture, sample - 1) < last
    assert look_ahead("demucs", RUNNING | change, 8000) * 8000 == pytest.approx(max(ahead))


def test_every_sample_of_a_frame_is_within_the_look_ahead():
    network, mixture = open_up(make(**(RUNNING | {"depth": 2, "kernel_size": 6}))), noise(800)
    frame = network.arguments.hop // network.arguments.resample
    ahead = [last_dependence(network, mixture, n) - n for n in range(400, 400 + frame)]
    assert max(ahead) == round(look_ahead("demucs", network.arguments.model_dump(), 1))


@pytest.mark.parametrize("change", [{"causal": False}, {"normalize": "utterance"}], ids=str)
def test_the_whole_recording_decides_each_sample_of_others(change):
    assert look_ahead("demucs", RUNNING | change, 8000) is None
    assert last_dependence(make(**(RUNNING | change)), noise(4000), 10) == 3999


def test_the_default_looks_48_ms_ahead_at_16_khz():
    seconds = look_ahead("demucs", {"normalize": "running"}, 16000)
    assert seconds == pytest.approx(763 / 16000)


def by_hand(sources, rate, a):
    """Multiply-adds for a second of audio: filters, convolutions, 8 products of each LSTM."""
    time = a.padded(round(SECONDS * rate))
    doublings = {1: 0, 2: 1, 4: 2}[a.resample]
    total = sum((1 + sources) * 112 * time * 2**n for n in range(doublings))  # in, and out
    frames, above = time * a.resample, 1
    for level in range(a.depth):
        frames = (frames - a.kernel_size) // a.stride + 1
        width = a.hidden * a.growth**level
        total += frames * (above * width * a.kernel_size + 2 * (1 + a.glu) * width**2)
        total += frames * width * (above if level else sources) * a.kernel_size
        above = width
    units = 8 * above**2 * 2 if a.causal else 8 * above**2 * 2 + 4 * 3 * above**2 * 2 + 2 * above**2
    return (total + frames * units) / SECONDS


@pytest.mark.parametrize("sources", [1, 3])
@pytest.mark.parametrize("change", [{}, {"causal": False, "stride": 2, "resample": 2}], ids=str)
def test_multiply_adds_equal_the_count_by_hand(change, sources):
    arguments = TINY | {"depth": 4} | change
    expected = by_hand(sources, 8000, Arguments(**arguments))
    assert multiply_adds("demucs", arguments, sources, 8000) == pytest.approx(expected, rel=0.01)


def test_initial_weights_are_rescaled():
    torch.manual_seed(0)
    network = build("demucs", {}, 1, 16000)
    torch.manual_seed(0)
    plain = torch.nn.Conv1d(1, 48, 8, 4)
    scale = (plain.weight.std() / 0.1).sqrt()
    torch.testing.assert_close(network.encoder[0][0].weight, plain.weight / scale)
    torch.testing.assert_close(network.encoder[0][0].bias, plain.bias / scale)


def test_bfloat16_costs_little():
    network, mixture = make(**RUNNING).float(), noise(1, 2000).float()
    with torch.inference_mode():
        exact = network(mixture)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(mixture)
    assert rounded.dtype == torch.float
    assert 0 < (exact - rounded).square().sum() < 1e-3 * exact.square().sum()


@pytest.mark.parametrize("model", ["demucs", "gatewave"])
def test_filters_that_leave_gaps_are_refused(model):
    with pytest.raises(PipelineError) as error:
        parse_arguments(model, {"kernel_size": 4, "stride": 5}, "denoisers.d.")
    assert str(error.value) == (
        "denoisers.d.arguments: kernel_size: 4 is less than stride: 5, which leaves gaps between"
        " the filters; raise it, or lower stride"
    )
    parse_arguments(model, {"kernel_size": 5, "stride": 5})
    parse_arguments(model, {"kernel_size": 4, "stride": 4})
