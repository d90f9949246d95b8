"""A network over recordings of any rate, number of channels and length."""

import numpy as np
import pytest
from takes import RATE, record, speech_like

from pipeline.app.estimates import estimating
from pipeline.app.networks import find
from pipeline.app.tracks import in_file, in_memory
from pipeline.base.errors import PipelineError
from pipeline.inference.apply import Setting, apply, load_model
from pipeline.inference.chunks import Recording
from pipeline.tasks import DENOISE, SEPARATE


def run(network, signal, rate=RATE, **options):
    """The estimates of a recording in memory, `[sources, time, channels]`, and all facts."""
    with estimating(network, in_memory(signal, rate), "cpu", 1, **options) as estimates:
        blocks = list(estimates.blocks())
    assert np.array_equal(np.concatenate([block.recording for block in blocks]), signal)
    return np.concatenate([block.estimates for block in blocks], axis=1), estimates


@pytest.fixture
def denoiser(networks):
    return find(DENOISE, networks["denoiser"])


def workflows(weights, sources, signal, folder):
    """Estimates that the workflow's `apply` writes for a mixture, `[sources, time]`."""
    from pipeline import audio
    from pipeline.config import Inference, Machine

    audio.write(folder / "mixture.wav", signal[:, 0], RATE, "FLOAT")
    targets = tuple(folder / f"s{k}.wav" for k in range(sources))
    recording = Recording("a", str(folder / "mixture.wav"), len(signal), targets)
    setting = Setting(RATE, Machine(device="cpu"), Inference(), timed=False)
    apply(load_model(weights, sources, setting), [recording], setting)
    return np.stack([audio.read_at(path, RATE) for path in targets])


@pytest.mark.parametrize("seconds", [0.3, 64])
def test_estimates_are_those_of_the_workflow(networks, seconds, tmp_path):
    """Those of a separator at a level of their own, since SI-SDR leaves it open."""
    signal = speech_like(RATE, seconds=seconds)
    found, _ = run(find(DENOISE, networks["denoiser"]), signal)
    expected = workflows(networks["denoiser"], 1, signal, tmp_path)
    assert np.abs(found[:, :, 0] - expected).max() < 1e-6
    found, estimates = run(find(SEPARATE, networks["separator"]), signal)
    expected = workflows(networks["separator"], 2, signal, tmp_path)
    scales = np.array(estimates.scales[0])[:, None]
    assert np.abs(found[:, :, 0] - scales * expected).max() < 1e-6


def test_separated_signals_are_as_near_to_the_recording_as_a_factor_brings_them(networks):
    signal = speech_like(RATE)
    found, _ = run(find(SEPARATE, networks["separator"]), signal)
    for estimate in found[:, :, 0].astype(np.float64):
        rest = signal[:, 0] - estimate
        assert abs(np.vdot(rest, estimate)) < 1e-4 * np.vdot(estimate, estimate)


@pytest.mark.parametrize("rate", [11025, 44100, 48000])
def test_a_network_of_another_rate(denoiser, rate):
    """The same sound at another rate gives the same estimate there."""
    here = speech_like(RATE, seconds=1)
    there = speech_like(rate, seconds=1)
    found, estimates = run(denoiser, there, rate)
    assert found.shape == (1, len(there), 1) and estimates.rate == RATE
    from pipeline import audio

    expected = audio.resample(run(denoiser, here)[0][0, :, 0], RATE, rate)
    shared = min(len(expected), found.shape[1])
    error = found[0, :shared, 0] - expected[:shared]
    assert np.square(error).mean() < 1e-4 * np.square(expected).mean()


def test_channels_by_themselves_are_as_alone(denoiser):
    signal = speech_like(RATE, channels=3)
    found, _ = run(denoiser, signal, by_channel=True)
    for channel in range(3):
        alone, _ = run(denoiser, signal[:, channel : channel + 1])
        assert np.array_equal(found[:, :, channel], alone[:, :, 0])


def test_channels_by_themselves_have_their_sources_in_one_order(networks, monkeypatch):
    """The pass over the second channel returns its sources the other way round."""
    from pipeline.app import estimates

    def swapped(running, tracks):
        (one, paths), (other, further) = tracks
        plain(running, [(one, paths), (other, further[::-1])])

    plain = estimates.apply_to
    signal = np.tile(speech_like(RATE), (1, 2))
    separator = find(SEPARATE, networks["separator"])
    expected, _ = run(separator, signal, by_channel=True)
    assert np.array_equal(expected[:, :, 0], expected[:, :, 1])
    monkeypatch.setattr(estimates, "apply_to", swapped)
    assert np.array_equal(run(separator, signal, by_channel=True)[0], expected)


def test_equal_channels_stay_equal(denoiser):
    signal = np.tile(speech_like(RATE), (1, 4))
    found, _ = run(denoiser, signal)
    assert found.shape == (1, len(signal), 4)
    assert np.array_equal(found, np.tile(found[:, :, :1], (1, 1, 4)))


def test_channels_that_cancel_each_other_are_processed_by_themselves(denoiser):
    one = speech_like(RATE)
    found, estimates = run(denoiser, np.concatenate([one, -one], axis=1))
    assert estimates.tracks.cancelled and len(estimates.paths) == 2
    assert np.array_equal(found[:, :, :1], run(denoiser, one)[0])


@pytest.mark.parametrize("samples", [1, 2, 5])
@pytest.mark.parametrize("rate", [RATE, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_of_a_sample(denoiser, samples, rate, channels):
    found, _ = run(denoiser, np.full((samples, channels), 0.1, np.float32), rate)
    assert found.shape == (1, samples, channels) and np.isfinite(found).all()


def test_a_stream_gives_what_the_whole_pass_gives(denoiser):
    signal = speech_like(RATE, channels=2, seconds=1.3)
    whole, _ = run(denoiser, signal)
    live, _ = run(denoiser, signal, live=True)
    assert np.abs(whole - live).max() < 1e-5


def test_a_network_that_cannot_run_live(networks):
    with pytest.raises(PipelineError, match="leave out --stream"):
        run(find(DENOISE, "spectral_gating"), speech_like(RATE), live=True)
    with pytest.raises(PipelineError, match="not causal"):
        run(find(DENOISE, networks["wide"]), speech_like(RATE), live=True)


def test_a_silent_recording(denoiser):
    with pytest.raises(PipelineError, match="is silent"):
        run(denoiser, np.full((800, 2), 1e-5, np.float32))


def test_files_go_away_with_the_block(denoiser, tmp_path):
    path = record(tmp_path / "a.wav", speech_like(RATE), RATE)
    with estimating(denoiser, in_file(path), "cpu", 1) as estimates:
        kept = [file for files in estimates.paths for file in files]
        assert all(file.exists() for file in kept)
    assert not any(file.parent.exists() for file in kept)


@pytest.mark.parametrize(
    ("task", "name", "line"),
    [
        (DENOISE, "separator", "is for another task: it separates 2 speakers"),
        (SEPARATE, "denoiser", "is for another task: it denoises"),
    ],
)
def test_a_network_of_another_task(networks, task, name, line):
    with pytest.raises(PipelineError, match=line):
        find(task, networks[name])
