"""Score the estimates of one shard of mixtures into a long table.

Its columns are `mixture_id`, those of the system (`SYSTEM`), `source`, `metric`, `value` (empty if
undefined), and `undefined`, the reason (empty if there is a value).
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, shard_of, write_manifest
from pipeline.base.workers import in_workers
from pipeline.evaluation.measures import Item, Measuring, Score
from pipeline.evaluation.metrics import permutation
from pipeline.mixtures.names import source_names
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import SYSTEM, System

KEYS = ["mixture_id", *SYSTEM, "source", "metric"]
COLUMNS = [*KEYS, "value", "undefined"]

Row = dict[str, Any]

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """A mixture, and the files of the estimates of its sources."""

    mixture: Row
    files: list[str]


def score(
    mixtures: Path,
    estimates: Path | None,
    out: Path,
    system: System,
    scatteritem: str,
    sample_rate: int,
    measure: Measuring,
    workers: int = 1,
) -> None:
    """Score a system on the mixtures of a shard, against the targets of its task.

    Args:
        mixtures: `mixtures.csv` of the test split.
        estimates: `mixture_id`, and a path for each target, in any order of targets if the task
            allows it; None for the noisy mixture, the baseline of improvements.
        out: the long table to write.
        system: the system to score.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.
        measure: a function that `measures.open_measure` returned.
        workers: number of processes that share the mixtures; the table is the same. 1 unless the
            measure is that of signals.

    Raises:
        PipelineError: an estimate is missing, unreadable, holds NaN or has another length.
        BrokenProcessPool: a worker was killed.
    """
    table, task = read_manifest(mixtures), TASKS[system.model.task]
    speakers = source_names(table)
    sources = task.targets(len(speakers))
    shard = cast(list[Row], shard_of(table, scatteritem).to_dict("records"))
    find = _estimates_of(estimates) if estimates else _noisy
    pairs = [Pair(mixture, find(mixture, sources)) for mixture in shard]
    scored = in_workers(
        workers, partial(_scores, measure, task.permuted, sources, speakers, sample_rate), pairs
    )
    shown = tqdm(scored, f"scoring {system.path}", len(pairs), disable=None)
    names = system.columns.values()
    rows = [
        (pair.mixture["mixture_id"], *names, *found)
        for pair, scores in zip(pairs, shown, strict=True)
        for found in scores
    ]
    scores = pd.DataFrame(rows, columns=COLUMNS)
    _report_undefined(scores)
    write_manifest(out, scores)


def _scores(
    measure: Measuring,
    permuted: bool,
    sources: list[str],
    speakers: list[str],
    sample_rate: int,
    pair: Pair,
) -> list[Score]:
    return list(measure(_item(permuted, sources, speakers, pair, sample_rate)))


def _item(
    permuted: bool, sources: list[str], speakers: list[str], pair: Pair, sample_rate: int
) -> Item:
    """Read sources and estimates, and bring the estimates into the order of the sources."""
    mixture, files = pair
    wanted = dict.fromkeys([*sources, *speakers, "noise"])
    read = {name: _read_one(mixture[f"{name}_path"], mixture, sample_rate) for name in wanted}
    references, talking = (np.stack([read[name] for name in of]) for of in (sources, speakers))
    estimates = _read(files, mixture, sample_rate)
    if permuted:
        order = permutation(references, estimates)
        estimates, files = estimates[order], [files[place] for place in order]
    mixed = talking, read["noise"]
    return Item(mixture["mixture_id"], sources, references, estimates, files, *mixed)


def _read(files: list[str], mixture: Row, sample_rate: int) -> NDArray[np.float64]:
    """Read files that have the length of the mixture: `[sources, time]`."""
    return np.stack([_read_one(file, mixture, sample_rate) for file in files])


def _read_one(file: str, mixture: Row, sample_rate: int) -> NDArray[np.float64]:
    samples = audio.read_at(file, sample_rate)
    if len(samples) != mixture["length"]:
        raise PipelineError(
            f"{file}: has {len(samples)} samples where mixture {mixture['mixture_id']} has"
            f" {mixture['length']}; fetch or make the file again"
        )
    return samples.astype(np.float64)


def _noisy(mixture: Row, sources: list[str]) -> list[str]:
    return [mixture["mix_both_path"]] * len(sources)


def _estimates_of(manifest: Path) -> Callable[[Row, list[str]], list[str]]:
    """A function that finds the estimated files of a mixture by the names of its sources."""
    estimates = {row["mixture_id"]: row for row in read_manifest(manifest).to_dict("records")}

    def find(mixture: Row, sources: list[str]) -> list[str]:
        row = estimates.get(mixture["mixture_id"], {})
        paths = [row.get(f"{source}_path") for source in sources]
        for name, path in zip(sources, paths, strict=True):
            if not isinstance(path, str):  # no such row or column, or an empty cell
                raise PipelineError(
                    f"{manifest}: has no estimate of {name} of mixture {mixture['mixture_id']};"
                    " delete it and run again"
                )
        return cast(list[str], paths)

    return find


def _report_undefined(table: pd.DataFrame) -> None:
    for (metric, why), values in table[table["value"].isna()].groupby(["metric", "undefined"]):
        first = values.iloc[0]
        logger.warning(
            "%s: %d of %d values are undefined, %s, first for %s of %s",
            metric,
            len(values),
            int((table["metric"] == metric).sum()),
            why,
            first["source"],
            first["mixture_id"],
        )
