"""Draw one mixture: speakers, an utterance and a level for each, a noise, its start and level."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.base.files import join_paths
from pipeline.config import Mixtures, Split
from pipeline.mixtures.pool import Pool


@dataclass(frozen=True)
class Segment:
    """The length and the speeds of a piece of a mixture, for training.

    The piece has `samples` samples. Each speaker's part begins at a random place of the utterance
    and has a speed drawn from `speeds`.
    """

    samples: int
    speeds: tuple[float, float]


def draw_mixture(
    pool: Pool,
    settings: Mixtures,
    rng: np.random.Generator,
    split: Split,
    segment: Segment | None = None,
) -> dict[str, Any]:
    """Draw one row of a plan, or of one `segment`.

    `start` of a source or of the noise counts samples of the file before its speed is changed,
    `length` counts samples of the mixture. A source's gain is g = 10^((L − l) / 20), at most
    `peak` / its own peak, where L is drawn from the range of levels and l is the utterance's level.

    Returns:
        the columns of the row and their values.
    """
    speakers = rng.choice(pool.num_speakers, settings.most_speakers, replace=False)
    chosen = [_talk(pool, int(speaker), settings, rng) for speaker in speakers]
    lengths = [talk["samples"] for talk in chosen]
    length = min(lengths) if settings.mode == "min" else max(lengths)
    row: dict[str, Any] = {"length": segment.samples if segment else length}
    for k, talk in enumerate(chosen, 1):
        row |= source_columns(k, talk, speech_gain(talk, settings, rng))
        row |= _place(k, talk["samples"], segment, rng) if segment else {}
    taken = {talk["speaker"] for talk in chosen}
    return row | draw_noise(pool, row["length"], settings, rng, split, taken)


def draw_noise(
    pool: Pool,
    length: int,
    settings: Mixtures,
    rng: np.random.Generator,
    split: Split,
    taken: Collection[str] = (),
) -> dict[str, Any]:
    """Draw start and level of a noise; its gain is set in rendering if the rule needs the audio.

    Speakers that are `taken` are none of the voices of babble.
    """
    if settings.babble and rng.random() < settings.babble:
        return _babble(pool, settings, rng, taken)
    i = int(rng.integers(len(pool.noises["path"])))
    noise = {name: column[i] for name, column in pool.noises.items()}
    speed = _noise_speed(settings, rng, split)
    spare = int(noise["samples"]) - math.ceil(length * speed)
    start = rng.integers(spare + 1) if spare >= 0 else rng.integers(int(noise["samples"]))
    row = {
        "noise": noise["noise"],
        "noise_source_path": noise["path"],
        "noise_start": int(start),
        "noise_speed": speed,
    }
    if settings.noise_rule == "wham":
        return row | {"noise_rms": noise["rms"], "noise_snr": _noise_snr(settings, rng)}
    gain = 10 ** ((rng.uniform(*settings.noise_lufs) - noise["lufs"]) / 20)
    return row | {"noise_gain": min(gain, settings.peak / noise["peak"])}


def _babble(
    pool: Pool, settings: Mixtures, rng: np.random.Generator, taken: Collection[str]
) -> dict[str, Any]:
    """Several voices at once, one utterance each, with the start that `render.babble` takes."""
    low, high = settings.babble_voices
    count, bounds = int(rng.integers(low, high + 1)), pool.voice_bounds
    speakers = rng.permutation(len(bounds) - 1)
    others = [k for k in speakers if pool.voices["speaker"][bounds[k]] not in taken]
    picked = [int(rng.integers(bounds[k], bounds[k + 1])) for k in others[:count]]
    rows = {name: [column[i] for i in picked] for name, column in pool.voices.items()}
    return {
        "noise": f"babble-{count}-{rows['utterance'][0]}",
        "noise_source_path": join_paths(rows["path"]),
        "noise_start": int(rng.integers(max(rows["samples"]))),
        "noise_speed": 1.0,
        "noise_rms": max(rows["rms"]),
        "noise_snr": _noise_snr(settings, rng),
    }


def _talk(pool: Pool, speaker: int, settings: Mixtures, rng: np.random.Generator) -> dict[str, Any]:
    """The facts of one speaker's utterance, or of several with silence between them."""
    first, end = pool.bounds[speaker : speaker + 2]
    picked = [first + int(rng.integers(end - first))]
    if settings.join_silence is None:
        return {name: column[picked[0]] for name, column in pool.utterances.items()}
    silence = round(settings.join_silence * pool.rate)
    samples = pool.utterances["samples"]
    total = samples[picked[0]]
    while total < settings.min_seconds * pool.rate:
        picked.append(first + int(rng.integers(end - first)))
        total += silence + samples[picked[-1]]
    return joined_facts(pool, picked) | {"samples": total, "silence": silence}


def joined_facts(pool: Pool, picked: list[int]) -> dict[str, Any]:
    """Facts of several utterances in a row; their level is that of their mean power."""
    rows = {name: [column[i] for i in picked] for name, column in pool.utterances.items()}
    weights = np.array(rows["samples"])
    levels = {
        name: float(10 * np.log10(np.average(10 ** (np.array(rows[name]) / 10), weights=weights)))
        for name in ("lufs", "rms")
    }
    one = {"speaker": rows["speaker"][0], "sex": rows["sex"][0], "peak": max(rows["peak"])}
    names = {"utterance": " ".join(rows["utterance"]), "path": join_paths(rows["path"])}
    return names | one | levels


def speech_gain(talk: dict[str, Any], settings: Mixtures, rng: np.random.Generator) -> float:
    """Draw the gain that brings the facts of an utterance, or of several, to a level."""
    if settings.speech_rms is None:
        change = rng.uniform(*settings.speech_lufs) - talk["lufs"]
    else:
        change = rng.uniform(*settings.speech_rms) - talk["rms"]
    return min(10 ** (change / 20), settings.peak / talk["peak"])


def source_columns(k: int, talk: dict[str, Any], gain: float) -> dict[str, Any]:
    """The columns of source k: the utterances of a speaker, and their gain."""
    source = {name: talk[name] for name in ("utterance", "speaker", "sex", "path")}
    source |= {"start": 0, "gain": gain}
    if "silence" in talk:
        source["silence"] = talk["silence"]
    return {f"source_{k}_{name}": value for name, value in source.items()}


def _place(k: int, samples: int, segment: Segment, rng: np.random.Generator) -> dict[str, Any]:
    """Speed of a source, and the sample of the utterance at which the segment begins."""
    speed = round(rng.uniform(*segment.speeds), 3)  # resampling by simple ratios is much faster
    spare = samples - math.ceil(segment.samples * speed)
    return {
        f"source_{k}_speed": speed,
        f"source_{k}_start": int(rng.integers(spare + 1)) if spare > 0 else 0,
    }


def _noise_speed(settings: Mixtures, rng: np.random.Generator, split: Split) -> float:
    """Draw the speed of a noise; only the train split has several, as in LibriMix."""
    speeds = settings.noise_speeds if split == "train" else [1.0]
    return speeds[0] if len(speeds) == 1 else float(rng.choice(speeds))


def _noise_snr(settings: Mixtures, rng: np.random.Generator) -> float:
    if settings.noise_snr_levels:
        return float(rng.choice(settings.noise_snr_levels))
    return rng.uniform(*settings.noise_snr)
