"""Draw the utterances, the noise and the levels of each mixture, before any audio is read."""

import logging
from collections.abc import Iterator
from itertools import accumulate, islice, takewhile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline.base.errors import PipelineError
from pipeline.base.files import shard_bounds, write_manifest
from pipeline.config import SPLITS, Mixtures, Split
from pipeline.mixtures.conversation import draw_conversation
from pipeline.mixtures.draw import draw_mixture
from pipeline.mixtures.librimix import read_metadata
from pipeline.mixtures.pool import Pool, load_pool

ROWS_AT_ONCE = 10_000  # rows of the plan in memory


def draw_plan(
    utterances: Path,
    noises: Path,
    shards: list[Path],
    split: Split,
    settings: Mixtures,
    seed: int,
    rate: int,
) -> None:
    """Write the plan of a split in as many parts as `shards` has paths, one row per mixture.

    Mixture i depends on (seed, split, i) alone, so the plan does not change with the number of
    shards, and a longer plan begins with the shorter one. Memory does not grow with its length.

    Raises:
        PipelineError: there are too few speakers, utterances or noises.
    """
    pool = load_pool(utterances, noises, split, settings, rate)
    count = _count(pool, settings, split, seed)
    if settings.join_silence is None and settings.kind == "drawn":
        _check_enough(pool, settings, count, split)
    _check_shards(count, shards, split)
    rows = iter(tqdm(_rows(pool, settings, split, seed, count), "drawing", count, disable=None))
    for number, path in enumerate(shards):
        first, end = shard_bounds(count, number, len(shards))
        write_manifest(path, _tables(islice(rows, end - first)))
    logging.info("%s: %d mixtures drawn", split, count)


def read_plan(
    metadata: list[Path],
    speech: Path,
    noise: Path,
    shards: list[Path],
    split: Split,
    num_speakers: int,
    mode: Literal["min", "max"],
    rate: int,
) -> None:
    """Write LibriMix's own mixtures of a split in as many parts as `shards` has paths.

    Raises:
        PipelineError: as for `read_metadata`, or there are fewer mixtures than shards.
    """
    table = read_metadata(metadata, speech, noise, num_speakers, rate, mode)
    _check_shards(len(table), shards, split)
    for number, path in enumerate(shards):
        write_manifest(path, table.iloc[slice(*shard_bounds(len(table), number, len(shards)))])
    logging.info("%s: %d mixtures of LibriMix", split, len(table))


def _check_enough(pool: Pool, settings: Mixtures, count: int, split: Split) -> None:
    """Refuse a split that cannot give `count` different sets of utterances."""
    key = "counts" if settings.hours is None else "hours"
    numbers = settings.speaker_counts
    for place, speakers in enumerate(numbers):
        wanted = len(range(place, count, len(numbers)))
        possible = _combinations(pool.utterances_of_each, speakers)
        if possible < wanted:
            of = f" of {speakers} speakers" if settings.speakers_vary else ""
            raise PipelineError(
                f"mixtures.{key}.{split}: {wanted} mixtures{of} asked, the utterances give"
                f" {possible} different ones; lower it or add utterances"
            )


def _check_shards(count: int, shards: list[Path], split: Split) -> None:
    if count < len(shards):
        raise PipelineError(
            f"shards: {len(shards)} is more than the {count} mixtures of split {split}; lower it"
        )


def _rows(
    pool: Pool, settings: Mixtures, split: Split, seed: int, count: int | None = None
) -> Iterator[dict[str, Any]]:
    """The mixtures of a split in order; endless if no count is given."""
    draw = draw_conversation if settings.kind == "conversation" else draw_mixture
    i = 0
    while count is None or i < count:
        rng = np.random.default_rng([seed, SPLITS.index(split), i])
        drawn = draw(pool, settings.of_item(i), rng, split)
        yield {"mixture_id": f"{split}-{i:06d}"} | _with_cells(drawn, settings.most_speakers)
        i += 1


def _with_cells(row: dict[str, Any], sources: int) -> dict[str, Any]:
    """A row with cells for a number of sources, those of sources that it lacks empty."""
    own = [name.removeprefix("source_1_") for name in row if name.startswith("source_1_")]
    return row | {
        key: None
        for k in range(1, sources + 1)
        for name in own
        if (key := f"source_{k}_{name}") not in row
    }


def _count(pool: Pool, settings: Mixtures, split: Split, seed: int) -> int:
    """Number of mixtures of the split: as configured, or as many as fill the hours."""
    if settings.hours is None:
        return getattr(settings.counts, split)
    wanted = getattr(settings.hours, split) * 3600 * pool.rate
    totals = accumulate(row["length"] for row in _rows(pool, settings, split, seed))
    return 1 + sum(1 for _ in takewhile(lambda total: total < wanted, totals))


def _tables(rows: Iterator[dict[str, Any]]) -> Iterator[pd.DataFrame]:
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        yield pd.DataFrame(chunk)


def _combinations(sizes: list[int], chosen: int) -> int:
    """Ways to take one utterance from each of `chosen` speakers (elementary symmetric sum)."""
    ways = [1] + [0] * chosen
    for size in sizes:
        for k in range(chosen, 0, -1):
            ways[k] += ways[k - 1] * size
    return ways[chosen]
