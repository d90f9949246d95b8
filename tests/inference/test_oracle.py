"""The ideal mask: where it is known, against another implementation, and in files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from pipeline import audio
from pipeline.base.files import digest_of, read_manifest
from pipeline.evaluation.metrics import si_sdr
from pipeline.inference.oracle import ideal_mask, mask_shard

RATE = 8000


def noise(parts, samples, seed=0):
    return torch.randn(parts, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [1, 100, 256, 4001])
def test_the_parts_add_up_to_the_mixture(samples):
    parts = noise(3, samples)
    found = ideal_mask(parts.sum(0), parts, RATE)
    assert found.shape == (3, samples) and found.dtype == torch.float64
    torch.testing.assert_close(found.sum(0), parts.sum(0).double(), atol=1e-5, rtol=0)


def test_parts_that_never_sound_at_once_are_separated_exactly():
    time = torch.arange(8000) / RATE
    tones = torch.stack([(2 * torch.pi * pitch * time).sin() for pitch in (500, 2000)])
    found = ideal_mask(tones.sum(0), tones, RATE)
    assert (found - tones)[:, 400:-400].abs().max() < 1e-3


def test_equal_parts_share_the_mixture():
    one = noise(1, 2000)[0]
    found = ideal_mask(3 * one, torch.stack([one, 2 * one]), RATE)
    torch.testing.assert_close(found, torch.stack([one, 2 * one]).double(), atol=1e-5, rtol=0)


def test_silence_is_no_division_by_zero():
    found = ideal_mask(torch.zeros(500), torch.zeros(3, 500), RATE)
    assert found.eq(0).all()


@pytest.mark.parametrize("rate", [8000, 16000])
def test_it_is_the_mask_of_magnitudes_in_windows_of_32_ms(rate):
    """The same with scipy."""
    parts = noise(3, rate // 2).numpy().astype(np.float64)
    size, hop = 32 * rate // 1000, 8 * rate // 1000
    spectra = ShortTimeFFT(hann(size, sym=False), hop, rate)
    of_parts = np.abs(spectra.stft(parts))
    masked = of_parts / of_parts.sum(0) * spectra.stft(parts.sum(0))
    expected = spectra.istft(masked, k1=parts.shape[1])
    found = ideal_mask(torch.from_numpy(parts.sum(0)), torch.from_numpy(parts), rate).numpy()
    inner = slice(size, -size)  # at the ends, the places of the windows differ
    np.testing.assert_allclose(found[:, inner], expected[:, inner], atol=1e-6)


def test_a_shard_is_separated_into_its_sources(mixtures, tmp_path):
    mask_shard(mixtures, tmp_path, "2-of-2", RATE)
    table, found = read_manifest(mixtures)[2:], read_manifest(tmp_path / "estimates.csv")
    assert list(found) == ["mixture_id", "s1_path", "s2_path", "digest"]
    assert found["mixture_id"].tolist() == table["mixture_id"].tolist()
    for row, made in zip(table.to_dict("records"), found.to_dict("records"), strict=True):
        parts = np.stack([read(row[f"{name}_path"]) for name in ("s1", "s2", "noise")])
        mixture = read(row["mix_both_path"])
        files = [made[f"s{k}_path"] for k in (1, 2)]
        estimates = np.stack([read(path) for path in files])
        expected = ideal_mask(torch.from_numpy(mixture), torch.from_numpy(parts), RATE)
        np.testing.assert_allclose(estimates, expected[:2].numpy(), atol=1e-6)
        assert (si_sdr(parts[:2], estimates) > si_sdr(parts[:2], np.stack([mixture] * 2)) + 2).all()
        digests = [digest_of(Path(path).read_bytes()) for path in files]
        assert made["digest"] == digest_of("".join(digests).encode())


def read(path):
    return audio.read_at(path, RATE)
