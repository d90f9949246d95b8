import numpy as np
import pytest

from pipeline.audio.levels import NEGLIGIBLE, OFFSET, power, without_offset


@pytest.fixture(scope="module")
def hiss():
    samples = np.random.default_rng(0).standard_normal(80000)
    return (0.01 * (samples - samples.mean()) / samples.std()).astype(np.float32)


@pytest.mark.parametrize("offset", [0.002, -0.01, 0.05])
def test_levels_are_without_the_offset(hiss, offset):
    shifted = hiss + np.float32(offset)
    assert power(shifted) == pytest.approx(1e-4, rel=1e-4)
    assert without_offset(shifted) == pytest.approx(hiss, abs=1e-7)


def test_a_negligible_mean_is_left_in_to_the_bit(hiss):
    assert -10 * np.log10(1 - NEGLIGIBLE) == pytest.approx(0.1)  # dB
    shifted = hiss + np.float32(0.0015)  # 2.2 % of the power
    assert power(shifted) == np.square(shifted, dtype=np.float64).mean()
    assert without_offset(shifted) is shifted
    shifted = hiss + np.float32(0.0016)  # 2.5 %
    assert power(shifted) == pytest.approx(1e-4, rel=1e-4)
    assert without_offset(shifted) == pytest.approx(hiss, abs=1e-7)


def test_a_mean_above_the_limit_is_removed_at_any_loudness(hiss):
    assert 20 * np.log10(OFFSET) == pytest.approx(-45)
    for offset in (0.006, -0.006):
        shifted = 10 * hiss + np.float32(offset)
        assert without_offset(shifted) is shifted
        assert without_offset(shifted, OFFSET) == pytest.approx(10 * hiss, abs=1e-7)
    shifted = 10 * hiss + np.float32(0.005)
    assert without_offset(shifted, OFFSET) is shifted


def test_each_signal_is_judged_alone(hiss):
    both = np.stack([hiss + np.float32(0.05), hiss])
    assert power(both).tolist() == [power(both[0]), power(hiss)]
    assert power(np.zeros(10, np.float32)) == power(np.full(10, 0.5, np.float32)) == 0
