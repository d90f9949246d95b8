"""An oracle: the ideal ratio mask, computed from the true sources and applied to the mixture."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from pipeline import audio
from pipeline.base.files import digest_of, read_manifest, shard_of, write_manifest
from pipeline.mixtures.names import source_names, sources_of

WINDOW, HOP = 0.032, 0.008  # s


def mask_shard(mixtures: Path, out: Path, scatteritem: str, sample_rate: int) -> None:
    """Write what the ideal mask separates from the noisy mixtures of a shard: `out/s<k>/*.wav`.

    Beside the WAVs stands estimates.csv. Where mixtures differ in their number of speakers, its
    column `found` has the number of each.

    Args:
        mixtures: `mixtures.csv` of the test split.
        out: folder to write.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.

    Raises:
        PipelineError: a file cannot be read.
    """
    table = read_manifest(mixtures)
    names, shard = source_names(table), shard_of(table, scatteritem)
    rows = [
        _mask(row, sources_of(row), out, sample_rate)
        for row in tqdm(shard.to_dict("records"), out.name, disable=None)
    ]
    estimates = shard[["mixture_id"]].reset_index(drop=True)
    for name in (*(f"{name}_path" for name in names), "digest"):
        estimates[name] = [row.get(name) for row in rows]
    if table[[f"{name}_path" for name in names]].isna().any(axis=None):
        estimates["found"] = estimates.filter(like="_path").notna().sum(axis=1)
    write_manifest(out / "estimates.csv", estimates)


def _mask(row: dict[Any, Any], names: list[str], out: Path, sample_rate: int) -> dict[str, Any]:
    """Write the estimates of one mixture; return their paths and their digest."""
    *parts, mixture = (
        torch.from_numpy(audio.read_at(row[f"{name}_path"], sample_rate))
        for name in (*names, "noise", "mix_both")
    )
    found = ideal_mask(mixture, torch.stack(parts), sample_rate)[: len(names)].numpy()
    paths = [out / name / f"{row['mixture_id']}.wav" for name in names]
    digests = []
    for path, samples in zip(paths, found, strict=True):
        with audio.writing(path, len(samples), sample_rate) as write:
            digests.append(write(samples))
    written = {f"{name}_path": path for name, path in zip(names, paths, strict=True)}
    return written | {"digest": digest_of("".join(digests).encode())}


def ideal_mask(mixture: Tensor, parts: Tensor, sample_rate: int) -> Tensor:
    """Apply to a mixture the ideal ratio mask of each of its parts.

    With the spectrograms P_k of all parts and Y of their sum, each bin of an estimate is

        Ŝ_k = |P_k| / (Σ_j |P_j|) · Y,

    in Hann windows of 32 ms that are 8 ms apart: the mask and the windows with which Luo &
    Mesgarani (2019, arXiv:1809.07454) compare Conv-TasNet. Ratio masks as targets are those of
    Wang, Narayanan & Wang (2014, "On training targets for supervised speech separation"). It shows
    about how far masks of a spectrogram lead that keep the phase of the mixture. It is no strict
    bound: networks with a basis of their own may exceed it.

    Args:
        mixture: `[time]`.
        parts: all sources and the noise, `[parts, time]`.
        sample_rate: Hz.

    Returns:
        `[parts, time]`; they add up to the mixture where there is any part.

    >>> parts = torch.stack([torch.ones(800), torch.zeros(800)])
    >>> ideal_mask(parts.sum(0), parts, 8000).allclose(parts.double(), atol=1e-6)
    True
    """
    size, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    window = torch.hann_window(size, dtype=torch.float64)
    every = torch.cat([parts, mixture[None]]).double()
    spectra = torch.stft(every, size, hop, window=window, pad_mode="constant", return_complex=True)
    magnitudes = spectra[:-1].abs()
    masks = magnitudes / magnitudes.sum(0).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.istft(masks * spectra[-1], size, hop, window=window, length=mixture.shape[-1])
