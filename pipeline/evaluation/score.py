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
from pipeline.evaluation.metrics import matching
from pipeline.mixtures.names import present, source_names, sources_of
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import SYSTEM, System

KEYS = ["mixture_id", *SYSTEM, "source", "metric"]
COLUMNS = [*KEYS, "value", "undefined"]

Row = dict[str, Any]

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """A mixture, its sources, and the files of the estimates of these.

    Whether their number was `found` by the system, and so may be another one than that of sources.
    """

    mixture: Row
    sources: list[str]
    files: list[str]
    found: bool = False


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
    targets = task.targets(len(source_names(table)))
    shard = cast(list[Row], shard_of(table, scatteritem).to_dict("records"))
    find = _estimates_of(estimates) if estimates else _noisy
    pairs = [find(mixture, targets) for mixture in shard]
    scored = in_workers(workers, partial(_scores, measure, task.permuted, sample_rate), pairs)
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


def _scores(measure: Measuring, permuted: bool, sample_rate: int, pair: Pair) -> list[Score]:
    return list(measure(_item(permuted, pair, sample_rate)))


def _item(permuted: bool, pair: Pair, sample_rate: int) -> Item:
    """Read sources and estimates, and bring the estimates into the order of the sources."""
    mixture, sources, files, found = pair
    speakers = sources_of(mixture)
    wanted = dict.fromkeys([*sources, *speakers, "noise"])
    read = {name: _read_one(mixture[f"{name}_path"], mixture, sample_rate) for name in wanted}
    references, talking = (np.stack([read[name] for name in of]) for of in (sources, speakers))
    estimates = _read(files, mixture, sample_rate)
    mixed = talking, read["noise"]
    if not permuted:
        return Item(mixture["mixture_id"], sources, references, estimates, files, *mixed)
    matched, order = matching(references, estimates)
    ordered, named = np.zeros_like(references), [""] * len(sources)
    ordered[matched] = estimates[order]
    for source, place in zip(matched, order, strict=True):
        named[source] = files[place]
    extra = tuple(files[place] for place in set(range(len(files))) - set(order))
    number = len(files) if found else None
    item = mixture["mixture_id"], sources, references, ordered, named
    return Item(*item, *mixed, number, extra)


def _read(files: list[str], mixture: Row, sample_rate: int) -> NDArray[np.float64]:
    """Read files that have the length of the mixture: `[files, time]`."""
    signals = [_read_one(file, mixture, sample_rate) for file in files]
    return np.array(signals).reshape(len(files), int(mixture["length"]))


def _read_one(file: str, mixture: Row, sample_rate: int) -> NDArray[np.float64]:
    samples = audio.read_at(file, sample_rate)
    if len(samples) != mixture["length"]:
        raise PipelineError(
            f"{file}: has {len(samples)} samples where mixture {mixture['mixture_id']} has"
            f" {mixture['length']}; fetch or make the file again"
        )
    return samples.astype(np.float64)


def _noisy(mixture: Row, targets: list[str]) -> Pair:
    sources = present(mixture, targets)
    return Pair(mixture, sources, [mixture["mix_both_path"]] * len(sources))


def _estimates_of(manifest: Path) -> Callable[[Row, list[str]], Pair]:
    """A function that finds the sources of a mixture and their estimates among a task's targets.

    Where the manifest says how many speakers were found, it has that many estimates; else one of
    each source.
    """
    estimates = {row["mixture_id"]: row for row in read_manifest(manifest).to_dict("records")}

    def find(mixture: Row, targets: list[str]) -> Pair:
        row, sources = estimates.get(mixture["mixture_id"], {}), present(mixture, targets)
        estimated, found = present(row, targets), "found" in row
        wanted = targets if found else sources
        lacking = [name for name in wanted if name not in estimated]
        if row["found"] != len(estimated) if found else lacking:
            raise PipelineError(
                f"{manifest}: has no estimate of {(lacking or wanted)[0]} of mixture"
                f" {mixture['mixture_id']}; delete it and run again"
            )
        files = [row[f"{name}_path"] for name in (estimated if found else sources)]
        return Pair(mixture, sources, files, found)

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
