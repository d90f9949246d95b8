"""Make the audio of planned mixtures, in LibriMix's folder names."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.files import read_manifest, shard_of, write_manifest

FADE_SECONDS = 0.05  # cross-fade where a short noise is repeated
NOISE_GAIN_LIMIT = 100.0  # 40 dB: a stretch of digital silence is not blown up to hit an SNR


def source_names(columns: Iterable[str]) -> list[str]:
    """`s1`, `s2`, … for as many sources as a table's columns, or a row's keys, have paths of."""
    names = (c.removesuffix("_path") for c in columns if c.endswith("_path"))
    found = {n.replace("source_", "s") for n in names}
    return sorted((n for n in found if n[0] == "s" and n[1:].isdigit()), key=lambda n: int(n[1:]))


def render_shard(plan: Path, out: Path, scatteritem: str, sample_rate: int, peak: float) -> None:
    """Render one shard of a plan: WAVs in `out/{mix_both,mix_clean,s1…,noise}/`, `out/index.csv`.

    The index is the plan with the rendered paths, the noise's gain and the mixture's scale
    added: gains times scale give the written signals again.
    """
    table = shard_of(read_manifest(plan), scatteritem)
    rows = []
    for row in tqdm(table.to_dict("records"), f"mixing {scatteritem}", disable=None):
        signals, facts = render(row, len(source_names(table)), sample_rate, peak)
        paths = {f"{name}_path": out / name / f"{row['mixture_id']}.wav" for name in signals}
        for name, samples in signals.items():
            audio.write(paths[f"{name}_path"], samples, sample_rate)
        rows.append(row | facts | paths)
    capped = sum(row["scale"] < 1 for row in rows)
    logging.info("%s: %d mixtures, %d scaled down to the peak cap", scatteritem, len(rows), capped)
    write_manifest(out / "index.csv", pd.DataFrame(rows))


def render(
    row: dict[str, Any], num_speakers: int, sample_rate: int, peak: float
) -> tuple[dict[str, audio.Samples], dict[str, float]]:
    """Render one planned mixture.

    Args:
        row: a row of the plan.
        num_speakers: sources in it.
        sample_rate: Hz.
        peak: highest absolute sample of anything written.

    Returns:
        signals by LibriMix's names, each `[time]`, and the facts `noise_gain`, `noise_snr`
        (dB, loudest source to noise, as power ratio over the mixture) and `scale`.
    """
    length = int(row["length"])
    sources = np.stack([_source(row, k, length, sample_rate) for k in range(1, num_speakers + 1)])
    noise = _noise(row, length, sample_rate)
    gain = row["noise_gain"] if "noise_gain" in row else snr_gain(sources, noise, row["noise_snr"])
    signals = _mix(sources, noise * np.float32(gain))
    loudest = max(float(abs(samples).max()) for samples in signals.values())
    scale = min(1.0, peak / loudest)
    facts = {"noise_gain": gain, "noise_snr": snr(sources, noise * gain), "scale": scale}
    return {name: samples * np.float32(scale) for name, samples in signals.items()}, facts


def snr(sources: np.ndarray, noise: np.ndarray) -> float:
    """Power of the loudest of `[sources, time]` over that of the noise `[time]`, in dB."""
    powers = np.square(sources, dtype=np.float64).mean(axis=-1).max(), _power(noise)
    return float(10 * np.log10(max(powers[0], 1e-12) / max(powers[1], 1e-12)))


def snr_gain(sources: np.ndarray, noise: np.ndarray, wanted: float) -> float:
    """Factor for the noise that puts it `wanted` dB below the loudest source (WHAM!'s rule)."""
    return float(min(10 ** ((snr(sources, noise) - wanted) / 20), NOISE_GAIN_LIMIT))


def repeat_noise(noise: audio.Samples, start: int, length: int, fade: int) -> audio.Samples:
    """Repeat a recording `[time]` shorter than `length` samples, beginning at `start`.

    The repeats overlap by `fade` samples with equal-power weights, so that the level of noise
    holds across the seam.
    """
    fade = min(fade, len(noise) // 2)
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    seam = noise[len(noise) - fade :] * ramp[::-1] + noise[:fade] * ramp
    period = np.concatenate([seam, noise[fade : len(noise) - fade]])
    return np.resize(np.roll(period, -start), length)


def _source(row: dict[str, Any], k: int, length: int, sample_rate: int) -> audio.Samples:
    start = int(row[f"source_{k}_start"])
    path = row[f"source_{k}_path"]
    available = audio.info(path).samples - start
    samples = audio.read_at(path, sample_rate, start, min(length, available))
    return np.pad(samples, (0, length - len(samples))) * np.float32(row[f"source_{k}_gain"])


def _noise(row: dict[str, Any], length: int, sample_rate: int) -> audio.Samples:
    path, start = row["noise_source_path"], int(row["noise_start"])
    if start + length <= audio.info(path).samples:
        return audio.read_at(path, sample_rate, start, length)
    whole = audio.read_at(path, sample_rate)
    return repeat_noise(whole, start, length, int(FADE_SECONDS * sample_rate))


def _mix(sources: np.ndarray, noise: audio.Samples) -> dict[str, audio.Samples]:
    clean = sources.sum(axis=0)
    named = {f"s{k}": source for k, source in enumerate(sources, 1)}
    return {"mix_both": clean + noise, "mix_clean": clean, **named, "noise": noise}


def _power(samples: np.ndarray) -> float:
    return float(np.square(samples, dtype=np.float64).mean())
