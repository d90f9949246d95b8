import numpy as np
import pytest

from pipeline.corpora.demo import VARIANTS
from pipeline.corpora.demo_noise import BABBLERS, KINDS, kind_of, make_noise

SECONDS = 4
SAMPLES = SECONDS * 16000


def rng(*numbers):
    return np.random.default_rng(numbers or 7)


def power(noise):
    return np.abs(np.fft.rfft(noise * np.hanning(len(noise)))) ** 2


@pytest.fixture(scope="module")
def noises():
    return {kind: make_noise(kind, SAMPLES, rng()) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_audible_and_not_clipped(noises, kind):
    noise = noises[kind]
    assert noise.dtype == np.float32 and noise.shape == (SAMPLES,)
    assert np.isfinite(noise).all()
    level = 20 * np.log10(noise.std())
    assert -50 < level <= -23.9
    assert np.abs(noise).max() <= 0.9 + 1e-6
    quietest = min(np.sqrt(np.mean(part**2)) for part in np.split(noise, SECONDS * 10))
    assert quietest > 1e-5  # no digital silence


@pytest.mark.parametrize("kind", KINDS)
def test_noise_repeats_for_its_seed_only(noises, kind):
    assert np.array_equal(noises[kind], make_noise(kind, SAMPLES, rng()))
    other = make_noise(kind, SAMPLES, rng(8))
    assert abs(np.corrcoef(noises[kind], other)[0, 1]) < 0.5


def test_hum_has_the_mains_frequency():
    for seed in range(4):
        spectrum = power(make_noise("hum", SAMPLES, rng(seed)))
        hertz = np.arange(len(spectrum)) / SECONDS
        mains = (np.abs(hertz - 50) < 1) | (np.abs(hertz - 60) < 1)
        beside = (hertz > 25) & (hertz < 100) & (np.abs(hertz - 50) > 3) & (np.abs(hertz - 60) > 3)
        assert spectrum[mains].max() > 10 * spectrum[beside].max()


def test_broadband_reaches_every_band():
    spectrum = power(make_noise("broadband", SAMPLES, rng(1)))
    hertz = np.arange(len(spectrum)) / SECONDS
    bands = [(60, 300), (300, 1000), (1000, 3000), (3000, 8000)]
    shares = [
        spectrum[(hertz > low) & (hertz < high)].sum() / spectrum.sum() for low, high in bands
    ]
    assert min(shares) > 1e-5


def test_clatter_is_made_of_impacts(noises):
    crest = {kind: np.abs(noise).max() / noise.std() for kind, noise in noises.items()}
    assert crest["clatter"] > 2 * crest["hum"]


def test_babble_is_in_the_band_of_speech(noises):
    spectrum = power(noises["babble"])
    hertz = np.arange(len(spectrum)) / SECONDS
    assert spectrum[(hertz > 80) & (hertz < 4000)].sum() > 0.9 * spectrum.sum()


def test_no_babbler_is_a_speaker():
    assert not set(BABBLERS) & set(" ".join(VARIANTS.values()).split())


def test_kinds_take_turns():
    assert [kind_of(index) for index in range(5)] == [*KINDS, KINDS[0]]
