"""Draw which utterances, noise and levels make each mixture, before any audio is read."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline.config import SPLITS, Mixtures, Split
from pipeline.errors import PipelineError
from pipeline.files import read_manifest, write_manifest


@dataclass(frozen=True)
class Pool:
    """What one split may draw from: utterances by speaker, and noise."""

    utterances: dict[str, list[dict[str, Any]]]
    noises: list[dict[str, Any]]


def draw_plan(
    utterances: Path,
    noises: Path,
    out: Path,
    split: Split,
    settings: Mixtures,
    seed: int,
    rate: int,
) -> None:
    """Write the plan of a split, one row a mixture.

    Mixture i depends on (seed, split, i) alone, so the plan does not change with the number
    of shards, and a longer one begins with a shorter one.

    Raises:
        PipelineError: too few speakers or utterances for what is asked.
    """
    pool = load_pool(utterances, noises, split, settings, rate)
    count = getattr(settings.counts, split)
    check_enough(pool, settings.num_speakers, count, split)
    rows = [
        {"mixture_id": f"{split}-{i:06d}"}
        | draw_mixture(pool, settings, np.random.default_rng([seed, SPLITS.index(split), i]))
        for i in tqdm(range(count), f"drawing {split}", disable=None)
    ]
    write_manifest(out, pd.DataFrame(rows))


def load_pool(utterances: Path, noises: Path, split: Split, settings: Mixtures, rate: int) -> Pool:
    """Read what a split may draw from; utterances below `min_seconds` are left out and counted."""
    speech = read_manifest(utterances).query("split == @split")
    long_enough = speech[
        (speech["samples"] >= settings.min_seconds * rate) & speech["lufs"].notna()
    ]
    dropped = len(speech) - len(long_enough)
    if dropped:
        logging.warning(
            "%s: %d of %d utterances are shorter than mixtures.min_seconds = %g s, not used",
            split,
            dropped,
            len(speech),
            settings.min_seconds,
        )
    noise = read_manifest(noises).query("split == @split")
    return Pool(
        {str(s): rows.to_dict("records") for s, rows in long_enough.groupby("speaker")},
        noise.to_dict("records"),
    )


def check_enough(pool: Pool, num_speakers: int, count: int, split: Split) -> None:
    """Refuse a split that cannot give `count` different sets of utterances."""
    sizes = [len(rows) for rows in pool.utterances.values()]
    if len(sizes) < num_speakers:
        raise PipelineError(
            f"mixtures: split {split} has {len(sizes)} speakers with long enough utterances,"
            f" num_speakers is {num_speakers}; lower mixtures.min_seconds or num_speakers"
        )
    possible = _combinations(sizes, num_speakers)
    if possible < count:
        raise PipelineError(
            f"mixtures.counts.{split}: {count} mixtures asked, the utterances give {possible}"
            " different ones; lower the count or add utterances"
        )


def draw_mixture(pool: Pool, settings: Mixtures, rng: np.random.Generator) -> dict[str, Any]:
    """Draw one mixture: speakers, an utterance and a level each, noise and its level."""
    speakers = rng.choice(sorted(pool.utterances), settings.num_speakers, replace=False)
    chosen = [pool.utterances[s][rng.integers(len(pool.utterances[s]))] for s in speakers]
    lengths = [int(u["samples"]) for u in chosen]
    length = min(lengths) if settings.mode == "min" else max(lengths)
    row: dict[str, Any] = {"length": length}
    for k, utterance in enumerate(chosen, 1):
        row |= _source(k, utterance, rng.uniform(*settings.speech_lufs), settings.peak)
    return row | _noise(pool.noises[rng.integers(len(pool.noises))], length, settings, rng)


def _source(k: int, utterance: dict[str, Any], lufs: float, peak: float) -> dict[str, Any]:
    gain = min(10 ** ((lufs - utterance["lufs"]) / 20), peak / utterance["peak"])
    return {
        f"source_{k}_utterance": utterance["utterance"],
        f"source_{k}_speaker": utterance["speaker"],
        f"source_{k}_sex": utterance["sex"],
        f"source_{k}_path": utterance["path"],
        f"source_{k}_start": 0,
        f"source_{k}_gain": gain,
    }


def _noise(
    noise: dict[str, Any], length: int, settings: Mixtures, rng: np.random.Generator
) -> dict[str, Any]:
    """Place and level of the noise; its gain is set in rendering where the rule needs the audio."""
    spare = int(noise["samples"]) - length
    start = rng.integers(spare + 1) if spare >= 0 else rng.integers(int(noise["samples"]))
    row = {"noise": noise["noise"], "noise_source_path": noise["path"], "noise_start": int(start)}
    if settings.noise_rule == "wham":
        return row | {"noise_snr": rng.uniform(*settings.noise_snr)}
    if np.isnan(noise["lufs"]):
        raise PipelineError(f"{noise['path']}: too short or quiet for a loudness; remove it")
    gain = 10 ** ((rng.uniform(*settings.noise_lufs) - noise["lufs"]) / 20)
    return row | {"noise_gain": min(gain, settings.peak / noise["peak"])}


def _combinations(sizes: list[int], chosen: int) -> int:
    """Ways to take one utterance from each of `chosen` speakers (elementary symmetric sum)."""
    ways = [1] + [0] * chosen
    for size in sizes:
        for k in range(chosen, 0, -1):
            ways[k] += ways[k - 1] * size
    return ways[chosen]
