"""Render the audio of planned mixtures into folders named as in LibriMix."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.audio.levels import power, without_offset
from pipeline.base.files import digest_of, read_manifest, split_paths, write_manifest
from pipeline.config import Mixtures
from pipeline.mixtures.conversation import render_turns
from pipeline.mixtures.facts import mixture_facts
from pipeline.mixtures.librimix import render_librimix
from pipeline.mixtures.names import mix, source_names, sources_of
from pipeline.mixtures.numbers import checked_numbers, planned_columns
from pipeline.mixtures.stretch import read_stretch

FADE_SECONDS = 0.05  # cross-fade where a short noise is repeated
SILENCE = 1e-12  # power that replaces zero
TOLERANCE = 0.1  # dB between the requested and the actual SNR


def render_shard(plan: Path, out: Path, sample_rate: int, settings: Mixtures) -> None:
    """Render one shard of a plan: WAVs in `out/{mix_both,mix_clean,s1…,noise}/`, `out/index.csv`.

    A mixture with fewer sources than the plan has columns for has no files of the others.

    The index is the plan with the rendered paths, the noise's gain, the mixture's scale and its
    facts added: gains times scale reproduce the written signals.

    Raises:
        PipelineError: a cell of the plan is not a finite number; a file is missing or damaged.
    """
    table = read_manifest(plan)
    table = checked_numbers(plan, table, planned_columns(table), "delete it and run again")
    names = source_names(table)
    rows, moved = [], 0
    for row in tqdm(table.to_dict("records"), f"mixing {out.name}", disable=None):
        signals, facts = _render(row, len(sources_of(row)), sample_rate, settings)
        paths = {f"{name}_path": out / name / f"{row['mixture_id']}.wav" for name in signals}
        lacking = {f"{name}_path": None for name in names if name not in signals}
        written = [
            audio.write(paths[f"{name}_path"], samples, sample_rate)
            for name, samples in signals.items()
        ]
        digest = {"digest": digest_of("".join(written).encode())}
        moved += facts.get("noise_start", row["noise_start"]) != row["noise_start"]
        described = mixture_facts(signals, sample_rate, len(names))
        rows.append(row | facts | described | paths | digest | lacking)
    index = pd.DataFrame(rows)
    _log(out.name, index, moved)
    write_manifest(out / "index.csv", index)


def _log(name: str, index: pd.DataFrame, moved: int) -> None:
    capped = (index["scale"] < 1).sum()
    logging.info("%s: %d mixtures, %d scaled down to the peak cap", name, len(index), capped)
    if moved:
        logging.info(
            "%s: in %d of %d mixtures the stretch of the noise that was drawn is nearly silent;"
            " another one is used",
            name,
            moved,
            len(index),
        )
    asked = index.get("noise_snr_asked", index["noise_snr"])
    if missed := (abs(asked - index["noise_snr"]) > TOLERANCE).sum():
        logging.warning(
            "%s: in %d of %d mixtures the noise is not at the SNR asked for;"
            " compare noise_snr with noise_snr_asked",
            name,
            missed,
            len(index),
        )


def _render(
    row: dict[str, Any], num_speakers: int, sample_rate: int, settings: Mixtures
) -> tuple[dict[str, audio.Samples], dict[str, float]]:
    if settings.kind != "librimix":
        return render(row, num_speakers, sample_rate, settings.peak, settings.mix_single)
    signals = render_librimix(row, num_speakers, sample_rate, settings.mode)
    if not settings.mix_single:
        del signals["mix_single"]
    sources = np.stack([signals[f"s{k}"] for k in range(1, num_speakers + 1)])
    return signals, {"noise_snr": snr(sources, signals["noise"]), "scale": 1.0}


def render(
    row: dict[str, Any], num_speakers: int, sample_rate: int, peak: float, single: bool = False
) -> tuple[dict[str, audio.Samples], dict[str, float]]:
    """Render one drawn mixture: scale · (Σ g_k s_k + g noise), and each of its parts.

    Args:
        row: a row of the plan.
        num_speakers: number of sources.
        sample_rate: Hz.
        peak: largest absolute sample of any returned signal.
        single: whether to return `mix_single`, the first speaker in the noise, too.

    Returns:
        signals by LibriMix's names, each `[time]`, and the facts `noise_start`, the first sample
        of the stretch used, `noise_gain`, `noise_snr` (dB, loudest source to noise, as power ratio
        over the mixture), `noise_snr_asked` where the row asks for an SNR, and `scale`.
    """
    sources, noise, facts = render_parts(row, num_speakers, sample_rate)
    signals, scale = capped(mix([*sources], noise, single), peak)
    return signals, facts | {"noise_snr": snr(sources, noise), "scale": scale}


def render_parts(
    row: dict[str, Any], num_speakers: int, sample_rate: int
) -> tuple[audio.Samples, audio.Samples, dict[str, float]]:
    """Return scaled sources `[sources, time]`, the scaled noise `[time]`, and its facts."""
    length = int(row["length"])
    sources = np.stack([_source(row, k, length, sample_rate) for k in range(1, num_speakers + 1)])
    noise, start = read_noise(row, length, sample_rate)
    if "noise_gain" in row:
        facts = {"noise_gain": row["noise_gain"]}
    else:
        gain = snr_gain(sources, noise, row["noise_snr"])
        facts = {"noise_gain": gain, "noise_snr_asked": row["noise_snr"]}
    return sources, noise * np.float32(facts["noise_gain"]), {"noise_start": start} | facts


def read_noise(row: dict[str, Any], length: int, sample_rate: int) -> tuple[audio.Samples, int]:
    """Return a noise at its recorded level, `[time]`, and where in the file it begins."""
    voices = split_paths(row["noise_source_path"])
    if len(voices) > 1:
        return babble(voices, int(row["noise_start"]), length, sample_rate), int(row["noise_start"])
    speed = row["noise_speed"]
    samples = math.ceil(length * speed)
    piece, start = read_stretch(row, sample_rate, samples)
    if len(piece) == samples:
        return _fit(audio.change_speed(without_offset(piece), speed), length), start
    recorded = without_offset(audio.read_at(row["noise_source_path"], sample_rate))
    whole = audio.change_speed(recorded, speed)
    fade = int(FADE_SECONDS * sample_rate)
    return repeat_noise(whole, round(start / speed), length, fade), start


def babble(voices: list[str], start: int, length: int, sample_rate: int) -> audio.Samples:
    """Return voices of equal power at once, `[time]`: Σ_k v_k / √P(v_k).

    Each utterance is repeated without end, and begins at sample `start` of that. Many talkers near
    a microphone are a model of a café (Krishnamurthy & Hansen 2009, "Babble noise: modeling,
    analysis, and applications").
    """
    fade, total = int(FADE_SECONDS * sample_rate), np.zeros(length, np.float32)
    for path in voices:
        said = without_offset(audio.read_at(path, sample_rate))
        said = said / np.float32(np.sqrt(max(float(power(said)), SILENCE)))
        total += repeat_noise(said, start % len(said), length, fade)
    return total


def capped(
    signals: dict[str, audio.Samples], peak: float
) -> tuple[dict[str, audio.Samples], float]:
    """Return the signals, scaled down together if one is above the peak, and the scale."""
    loudest = max(float(abs(samples).max()) for samples in signals.values())
    scale = peak / max(loudest, peak)
    return {name: samples * np.float32(scale) for name, samples in signals.items()}, scale


def snr(sources: np.ndarray, noise: np.ndarray) -> float:
    """Return the power of the loudest of `[sources, time]` over that of the noise, in dB.

    SNR = 10 lg(max_k P(s_k) / P(noise)), with `[time]` for the noise and P as in `power`, which
    ignores constant offsets. WHAM! sets its SNR to the louder speaker in the same way (Wichern et
    al. 2019, arXiv:1907.01160).

    >>> snr(np.array([[2.0, -2.0], [1.0, -1.0]]), np.array([0.2, -0.2]))
    20.0
    """
    loudest, level = float(power(sources).max()), float(power(noise))
    return float(10 * np.log10(max(loudest, SILENCE) / max(level, SILENCE)))


def snr_gain(sources: np.ndarray, noise: np.ndarray, wanted: float) -> float:
    """Return the gain of the noise that sets its SNR to `wanted` dB: 10^((snr − wanted) / 20).

    The SNR is that of `snr`, for sources `[sources, time]` and a noise `[time]`, by WHAM!'s rule.

    >>> snr_gain(np.array([[2.0, -2.0]]), np.array([0.2, -0.2]), 0.0)
    10.0
    """
    return float(10 ** ((snr(sources, noise) - wanted) / 20))


def repeat_noise(noise: audio.Samples, start: int, length: int, fade: int) -> audio.Samples:
    """Repeat a recording `[time]` shorter than `length` samples, beginning at `start`.

    The end e and the start s overlap in `fade` samples as e √(1 − u) + s √u, with u from 0 to 1.
    The weights have equal power, so that the level of a noise stays constant across the seam.

    >>> repeat_noise(np.arange(3, dtype=np.float32), 1, 5, 0).tolist()
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    fade = min(fade, len(noise) // 2)
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    seam = noise[len(noise) - fade :] * ramp[::-1] + noise[:fade] * ramp
    period = np.concatenate([seam, noise[fade : len(noise) - fade]])
    return np.resize(np.roll(period, -start), length)


def _source(row: dict[str, Any], k: int, length: int, sample_rate: int) -> audio.Samples:
    speed, start = row.get(f"source_{k}_speed", 1.0), int(row[f"source_{k}_start"])
    samples = math.ceil(length * speed)
    paths = split_paths(row[f"source_{k}_path"])
    if f"source_{k}_begins" in row:
        said = render_turns(row, k, length, sample_rate)
    elif len(paths) == 1:
        said = audio.read_at(paths[0], sample_rate, start, samples, exact=False)
    else:
        said = _joined(paths, int(row[f"source_{k}_silence"]), sample_rate)[start:][:samples]
    played = audio.change_speed(said, speed)[:length]
    source = np.zeros(length, np.float32)
    source[: len(played)] = played * np.float32(row[f"source_{k}_gain"])
    return source


def _joined(paths: list[str], silence: int, sample_rate: int) -> audio.Samples:
    """Utterances in a row, with `silence` samples between them."""
    pause = np.zeros(silence, np.float32)
    parts = [part for path in paths for part in (pause, audio.read_at(path, sample_rate))]
    return np.concatenate(parts[1:])


def _fit(noise: audio.Samples, length: int) -> audio.Samples:
    """Fit the noise to the length, since rounding in the resampler may lose a sample."""
    missing = length - len(noise)
    return np.pad(noise, (0, missing), mode="edge") if missing > 0 else noise[:length]
