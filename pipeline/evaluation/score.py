"""Score the estimates of one shard of mixtures into a long table.

Columns: `mixture_id`, `system`, `source`, `metric`, `value` (empty where undefined), and
`undefined`, which says why (empty where there is a value).
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
from pipeline.evaluation.systems import DENOISED, MIX_CLEAN, MIXTURE
from pipeline.mixtures.names import source_names

KEYS = ["mixture_id", "system", "source", "metric"]
COLUMNS = [*KEYS, "value", "undefined"]

Row = dict[str, Any]

logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """Sources of a mixture that are scored together, and the files of their estimates."""

    mixture: Row
    sources: list[str]
    files: list[str]


def score(
    mixtures: Path,
    estimates: Path | None,
    out: Path,
    system: str,
    scatteritem: str,
    sample_rate: int,
    measure: Measuring,
    workers: int = 1,
) -> None:
    """Score a system on the mixtures of a shard.

    A separation system is scored against the clean sources `s1`…`sN`, a denoiser against
    `mix_clean`, and the noisy mixture, from which improvements are measured, against both.

    Args:
        mixtures: `mixtures.csv` of the test split.
        estimates: `mixture_id`, and `s1_path`…`sN_path` in any order of sources, or
            `denoised_path`; None for the mixture.
        out: the long table to write.
        system: `<separator>/<trained>/<tested>`, `denoised-<denoiser>` or `mixture`.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.
        measure: of `measures.open_measure`.
        workers: processes that share the mixtures, for the same table; 1 unless the measure is
            of signals.

    Raises:
        PipelineError: an estimate is missing, unreadable, holds NaN or has another length.
        BrokenProcessPool: a worker was killed.
    """
    shard = shard_of(read_manifest(mixtures), scatteritem).to_dict("records")
    find = _estimates_of(estimates) if estimates else _noisy
    tasks = [
        Task(mixture, sources, find(mixture, sources))
        for mixture in cast(list[Row], shard)
        for sources in _sources(system, mixture)
    ]
    scored = in_workers(workers, partial(_scores, measure, sample_rate), tasks)
    shown = tqdm(scored, f"scoring {system}", len(tasks), disable=None)
    rows = [
        (task.mixture["mixture_id"], system, *found)
        for task, scores in zip(tasks, shown, strict=True)
        for found in scores
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    _report_undefined(table)
    write_manifest(out, table)


def _sources(system: str, mixture: Row) -> list[list[str]]:
    """The sources that a system estimates, those together that are scored together."""
    separated, denoised = source_names(mixture), [MIX_CLEAN]
    if system == MIXTURE:
        return [separated, denoised]
    return [denoised] if system.startswith(DENOISED) else [separated]


def _scores(measure: Measuring, sample_rate: int, task: Task) -> list[Score]:
    return list(measure(_item(task, sample_rate)))


def _item(task: Task, sample_rate: int) -> Item:
    """Read sources and estimates, and put these in the order of those."""
    mixture, sources, files = task
    references = _read([mixture[f"{source}_path"] for source in sources], mixture, sample_rate)
    estimates = _read(files, mixture, sample_rate)
    order = permutation(references, estimates)
    files = [files[place] for place in order]
    return Item(mixture["mixture_id"], sources, references, estimates[order], files)


def _read(files: list[str], mixture: Row, sample_rate: int) -> NDArray[np.float64]:
    """Read files of the mixture's length: `[sources, time]`."""
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
    """A look-up of a mixture's estimated files by the sources they are of."""
    estimates = {row["mixture_id"]: row for row in read_manifest(manifest).to_dict("records")}

    def find(mixture: Row, sources: list[str]) -> list[str]:
        row = estimates.get(mixture["mixture_id"], {})
        names = ["denoised" if source == MIX_CLEAN else source for source in sources]
        paths = [row.get(f"{name}_path") for name in names]
        for name, path in zip(names, paths, strict=True):
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
