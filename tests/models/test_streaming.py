"""The output of chunks against one pass of the network in its training form."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conv_tasnet import make

from pipeline.base.errors import PipelineError
from pipeline.models import look_ahead
from pipeline.models.conv_tasnet.streaming import Stream

arguments = st.fixed_dictionaries(
    {
        "L": st.sampled_from([2, 3, 5, 10, 16]),
        "P": st.integers(1, 5),
        "Sc": st.sampled_from([0, 8]),
        "mask": st.sampled_from(["relu", "sigmoid"]),
    }
)


def noise(time, dtype=torch.double):
    return torch.randn(time, dtype=dtype, generator=torch.Generator().manual_seed(time))


def streamed(stream, chunks):
    return torch.cat([*map(stream.push, chunks), stream.finish()], 1)


def one_pass(network, mixture):
    return network(mixture[None])[0].detach()  # with gradients: layer by layer


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(arguments, st.integers(1, 3), st.lists(st.integers(0, 700), max_size=6))
def test_chunks_of_any_lengths_give_the_output_of_one_pass(arguments, sources, lengths):
    network, mixture = make(sources, causal=True, **arguments), noise(sum(lengths))
    found = streamed(Stream(network), mixture.split(lengths))
    torch.testing.assert_close(found, one_pass(network, mixture), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 5000])
def test_chunks_of_one_length_give_the_output_of_one_pass(chunk):
    network, mixture = make(causal=True), noise(1603)
    found = streamed(Stream(network), mixture.split(chunk))
    torch.testing.assert_close(found, one_pass(network, mixture), rtol=1e-10, atol=1e-12)


def test_single_precision():
    network, mixture = make(causal=True, H=24, P=5).float(), noise(1603, torch.float)
    expected = one_pass(network, mixture)
    found = streamed(Stream(network), mixture.split(100))
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_finished_stream_starts_anew():
    network, first, second = make(causal=True), noise(900), noise(500)
    stream = Stream(network)
    streamed(stream, first.split(64))
    found = streamed(stream, second.split(64))
    torch.testing.assert_close(found, one_pass(network, second), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("length", [2, 5, 10, 16])
@pytest.mark.parametrize("chunk", [1, 3, 8, 12, 32, 33])
def test_latency_is_the_longest_that_a_sample_waits(length, chunk):
    network = make(causal=True, L=length)
    stream, given, returned, waits = Stream(network), 0, 0, []
    for samples in noise(20 * chunk).split(chunk):
        given += chunk
        waits.append(given - returned)  # of the first sample that is new
        returned += stream.push(samples).shape[1]
    latency = stream.latency(chunk)
    assert latency * 8000 == pytest.approx(max(waits))
    ahead = look_ahead("conv_tasnet", network.arguments.model_dump(), 8000)
    assert latency <= chunk / 8000 + ahead + 1e-9


def test_the_kept_samples_do_not_grow():
    def kept():
        torch.save(stream, file := io.BytesIO())
        return file.tell()

    stream = Stream(make(causal=True))
    stream.push(noise(800))
    before = kept()
    for samples in noise(16_000).split(800):
        stream.push(samples)
    assert kept() == pytest.approx(before, abs=64)  # another sample would have 8 bytes


def test_a_network_that_is_not_causal_is_refused():
    with pytest.raises(PipelineError, match=r"^streaming: .* not causal; .* causal: true") as error:
        Stream(make(norm="cLN"))
    assert "\n" not in str(error.value)
