import numpy as np
import pytest

from pipeline.app.gains import SharedGains

RATE = 8000


def through(mixture, estimates, size):
    """All samples at once or in blocks, `[sources, time, channels]`."""
    gains, parts, done = SharedGains(RATE, mixture.shape[1], len(estimates)), [], 0
    for start in range(0, len(mixture), size):
        parts.append(gains.push(mixture[start : start + size], estimates[:, start : start + size]))
        done += parts[-1].shape[1]
    parts.append(gains.finish(len(mixture) - done))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("samples", [1, 63, 64, 257, 5000])
@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_a_share_of_the_mean_is_that_share_of_each_channel(samples, size):
    mixture = np.random.default_rng(0).normal(0, 0.1, (samples, 3)).astype(np.float32)
    mean = mixture.mean(axis=1)
    found = through(mixture, np.stack([mean, 0.25 * mean, 0 * mean]), size)
    assert found.shape == (3, samples, 3)
    expected = np.stack([mixture, 0.25 * mixture, 0 * mixture])
    assert np.abs(found - expected).max() < 1e-5


def test_gains_are_limited():
    """Neither louder than the recording, nor of the other sign."""
    mixture = np.random.default_rng(0).normal(0, 0.1, (4000, 2)).astype(np.float32)
    mean = mixture.mean(axis=1)
    louder, negative = through(mixture, np.stack([3 * mean, -mean]), 4000)
    assert np.abs(louder - mixture).max() < 1e-5 and not negative.any()


def test_sources_at_other_frequencies_keep_their_directions():
    """A tone on the left and one on the right, of which the network kept the first."""
    time = np.arange(4 * RATE) / RATE
    left, right = np.sin(2 * np.pi * 500 * time), np.sin(2 * np.pi * 2000 * time)
    mixture = np.stack([left + 0.2 * right, 0.1 * left + right], axis=1).astype(np.float32)
    kept = (0.55 * left).astype(np.float32)  # as loud as in the mean of both channels
    found = through(mixture, kept[None], 3000)[0]
    inner = slice(RATE, 3 * RATE)
    expected = np.stack([left, 0.1 * left], axis=1)
    assert np.abs(found - expected)[inner].max() < 0.01
