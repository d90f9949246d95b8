"""Augmentations of one mixture."""

import numpy as np
import pytest

from pipeline.config.augment import Augment
from pipeline.mixtures.augment import (
    EARLY,
    all_noise,
    augment,
    remix,
    reverberate,
    shift,
    without_band,
)
from pipeline.mixtures.render import snr

RATE, LENGTH = 8000, 16000
EACH = [
    {"remix": True},
    {"shift": 0.3},
    {"reverberation": (0.2, 0.6)},
    {"band_mask": 0.3},
    {"gain": (-12, 6)},
    {"clipping": (-20, -6)},
]
ALL = {name: value for each in EACH for name, value in each.items()}


def generator(seed=0):
    return np.random.default_rng(seed)


def power(samples):
    return np.mean(np.square(samples, dtype=np.float64), axis=-1)


@pytest.fixture
def sources(voice):
    return np.stack([voice(k, LENGTH / RATE, RATE) for k in range(3)])


@pytest.fixture
def noise():
    return (0.05 * generator(1).standard_normal(LENGTH)).astype(np.float32)


def second(rng):
    return (0.3 * rng.standard_normal(LENGTH)).astype(np.float32)


@pytest.mark.parametrize("wanted", [-6.0, 3.0, 20.0])
@pytest.mark.parametrize("values", [*EACH, ALL], ids=lambda values: "+".join(values))
def test_the_snr_is_that_of_the_plan_whatever_is_changed(sources, noise, values, wanted):
    for seed in range(5):
        given = (sources, noise, wanted, second, RATE, Augment(chance=1, **values))
        speech, rest = augment(*given, generator(seed))
        assert speech.dtype == rest.dtype == np.float32 and speech.shape == sources.shape
        assert snr(speech, rest) == pytest.approx(wanted, abs=0.05)
        again = augment(*given, generator(seed))
        assert (speech == again[0]).all() and (rest == again[1]).all()
        other = augment(*given, generator(seed + 100))
        assert not np.array_equal(rest, other[1])


def test_without_a_wanted_snr_the_noise_keeps_its_level(sources, noise):
    settings = Augment(chance=1, remix=True)
    speech, rest = augment(sources, noise, None, second, RATE, settings, generator())
    assert (speech == sources).all() and power(rest) == pytest.approx(power(noise), rel=1e-5)


def test_a_share_of_the_mixtures_is_changed(sources, noise):
    settings = Augment(chance=0.25, shift=0.3)
    given = (sources, noise, 0.0, second, RATE, settings)
    changed = [not (augment(*given, generator(k))[0] == sources).all() for k in range(200)]
    assert 0.15 < np.mean(changed) < 0.35


def test_a_second_noise_has_the_power_of_the_first(noise):
    other = second(generator(3))
    both = remix(noise, other)
    assert power(both) == pytest.approx(power(noise), rel=1e-5)
    parts = np.linalg.lstsq(np.stack([noise, other], 1), both, rcond=None)[0]
    assert parts[0] ** 2 * power(noise) == pytest.approx(parts[1] ** 2 * power(other), rel=1e-4)


def test_each_speaker_is_delayed_by_at_most_the_shift(sources):
    delayed, starts = shift(sources, 0.3, RATE, generator()), []
    for source, late in zip(sources, delayed, strict=True):
        start = int(np.flatnonzero(late)[0]) - int(np.flatnonzero(source)[0])
        assert (late[start:] == source[: LENGTH - start]).all() and not late[:start].any()
        starts.append(start)
    assert len(set(starts)) == 3 and min(starts) >= 0 and max(starts) <= 0.3 * RATE
    assert not shift(sources, 1e4, RATE, generator()).any()


def test_reflections_after_50_ms_are_noise_and_the_direct_sound_comes_first():
    click = np.zeros((2, LENGTH), np.float32)
    click[:, 100] = 1
    early, late = reverberate(click, (0.4, 0.4), RATE, generator())
    end = 100 + round(EARLY * RATE)
    for response in early:
        assert abs(response).argmax() == 100 and not response[end + 1 :].round(6).any()
        assert power(response) == pytest.approx(power(click[0]), rel=1e-4)
    assert not late[:end].round(6).any() and late[end:].any()


def test_a_longer_reverberation_is_stronger(sources):
    def level(time):
        return np.mean([power(reverberate(sources, time, RATE, generator(k))[1]) for k in range(6)])

    assert level((0.2, 0.2)) < 0.5 * level((0.4, 0.4)) < 0.5 * level((0.8, 0.8))


def test_one_filter_is_used_for_all_signals(sources):
    found = without_band(np.stack([*sources, sources.sum(0)]), 0.5, RATE, generator(2))
    np.testing.assert_allclose(found[:-1].sum(0), found[-1], atol=1e-6)
    assert power(found[0]) < power(sources[0])


def test_a_band_is_removed_and_the_rest_stays():
    time = np.arange(4 * RATE) / RATE
    tones = np.arange(100, 3900, 25)
    waves = np.stack([np.sin(2 * np.pi * f * time) for f in tones]).astype(np.float32)
    inner = without_band(waves, 0.4, RATE, generator(5))[:, RATE:-RATE]
    kept = power(inner) / power(waves[:, RATE:-RATE])
    removed = tones[kept < 0.01]
    assert len(removed) > 5 and (np.diff(removed) == 25).all()  # one band
    outside = (tones < 0.75 * removed[0]) | (tones > 1.25 * removed[-1])  # beyond the edges
    assert outside.sum() > 30 and (abs(kept[outside] - 1) < 0.2).all()


@pytest.mark.parametrize("wanted", [-3.0, 10.0])
def test_what_is_cut_off_counts_as_noise(sources, noise, wanted):
    rest = all_noise(sources, noise, np.zeros_like(noise), wanted, level=-6.0)
    mixture = sources.sum(0) + rest
    limit = abs(mixture).max()
    assert (abs(mixture) > 0.999 * limit).sum() > 20  # a plateau
    plain = all_noise(sources, noise, np.zeros_like(noise), wanted)
    assert limit < abs(sources.sum(0) + plain).max()
    assert snr(sources, rest) == pytest.approx(wanted, abs=0.01)


def test_late_reverberation_has_at_most_half_the_power_of_the_noise(sources, noise):
    loud = 5 * second(generator(4))
    rest = all_noise(sources, noise, loud, 0.0)
    assert snr(sources, rest) == pytest.approx(0, abs=0.01)
    share = np.dot(rest, loud) ** 2 / (np.dot(loud, loud) * np.dot(rest, rest))
    assert share == pytest.approx(0.5, abs=0.05)


def test_clipping_gives_way_where_the_snr_could_not_be_reached(sources, noise):
    rest = all_noise(sources, noise, np.zeros_like(noise), 60.0, level=-40.0)
    assert snr(sources, rest) == pytest.approx(60, abs=0.01)


@pytest.mark.parametrize("silent", ["sources", "noise"])
def test_silence_stays_finite(sources, noise, silent):
    given = {"sources": sources, "noise": noise}
    given[silent] = 0 * given[silent]
    speech, rest = augment(
        *given.values(), 0.0, lambda rng: np.zeros_like(noise), RATE,
        Augment(chance=1, **ALL), generator()
    )  # fmt: skip
    assert np.isfinite(speech).all() and np.isfinite(rest).all()
