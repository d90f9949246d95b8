"""The output of a streamed Demucs against one pass for the whole recording."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import noise
from test_demucs import RUNNING, TINY, make

from pipeline.base.errors import PipelineError
from pipeline.models import MODELS, look_ahead
from pipeline.models.demucs.streaming import Stream

arguments = st.fixed_dictionaries(
    {
        "resample": st.sampled_from([1, 2, 4]),
        "kernel_size": st.integers(4, 9),
        "stride": st.integers(1, 4),
        "glu": st.booleans(),
        "depth": st.integers(1, 3),
    }
)


def streamed(stream, chunks):
    return torch.cat([*map(stream.push, chunks), stream.finish()], 1)


def one_pass(network, mixture):
    return network(mixture[None])[0].detach()


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(arguments, st.integers(1, 3), st.lists(st.integers(0, 700), min_size=1, max_size=6))
@pytest.mark.slow
def test_chunks_of_any_lengths_give_the_output_of_one_pass(arguments, sources, lengths):
    lengths = [*lengths, 1]
    network, mixture = make(sources, **(RUNNING | arguments)), noise(sum(lengths))
    found = streamed(Stream(network), mixture.split(lengths))
    torch.testing.assert_close(found, one_pass(network, mixture), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 5000])
def test_single_precision_within_1e_5(chunk):
    network = make(**(RUNNING | {"depth": 5})).float()
    mixture = noise(803).float()
    expected = one_pass(network, mixture)
    found = streamed(MODELS["demucs"].stream(network), mixture.split(chunk))
    assert expected.abs().max() > 0.01
    assert (found - expected).abs().max() < 1e-5 * max(1, expected.abs().max())


def test_a_finished_stream_starts_anew():
    network, first, second = make(2, **RUNNING), noise(900), noise(500, seed=2)
    stream = Stream(network)
    streamed(stream, first.split(64))
    found = streamed(stream, second.split(64))
    torch.testing.assert_close(found, one_pass(network, second), rtol=1e-9, atol=1e-12)


def test_a_stream_without_samples_is_empty():
    stream = Stream(make(2, **RUNNING))
    assert stream.push(torch.zeros(0, dtype=torch.double)).shape == (2, 0)
    assert stream.finish().shape == (2, 0)


@pytest.mark.parametrize("change", [{}, {"resample": 2}, {"kernel_size": 4, "stride": 3}], ids=str)
@pytest.mark.parametrize("chunk", [1, 3, 8, 33])
def test_latency_is_the_longest_that_a_sample_waits(change, chunk):
    network = make(**(RUNNING | {"depth": 2} | change))
    stream, given, returned, waits = Stream(network), 0, 0, []
    for samples in noise(700 // chunk * chunk).split(chunk):
        given += chunk
        waits.append(given - returned)  # of the first sample that is new
        returned += stream.push(samples).shape[1]
    latency = stream.latency(chunk)
    assert latency * 16000 == pytest.approx(max(waits))
    ahead = look_ahead("demucs", network.arguments.model_dump(), 16000)
    assert latency <= chunk / 16000 + ahead + 1e-9


def test_the_kept_samples_do_not_grow():
    def kept():
        torch.save(vars(stream) | {"network": None, "stages": states()}, file := io.BytesIO())
        return file.tell()

    def states():
        found, stages = [], list(stream.stages)
        for stage in stages:
            found.append([v.clone() for v in vars(stage).values() if type(v) is torch.Tensor])
            stages += [stage.inner] if hasattr(stage, "inner") else []
        return found

    stream = Stream(make(**RUNNING))
    stream.push(noise(2048))
    before = kept()
    for samples in noise(20_480).split(2048):
        stream.push(samples)
    assert kept() == pytest.approx(before, rel=0.5)  # the samples pushed since are 10 times more


@pytest.mark.parametrize("change", [{"causal": False}, {"normalize": "utterance"}], ids=str)
def test_a_stream_is_opened_once_the_network_is_causal(change):
    with pytest.raises(PipelineError) as error:
        Stream(make(**(RUNNING | change)))
    assert str(error.value) == (
        "streaming: the network is not causal; train one with causal: true and normalize: running"
        " in its arguments"
    )
    Stream(make(**(TINY | {"causal": True, "normalize": "running"})))
