"""Score the estimates of one shard of mixtures into a long table.

Columns: `mixture_id`, `system`, `source`, `metric`, `value` (empty where undefined).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import audio
from pipeline.config import Metric
from pipeline.errors import PipelineError
from pipeline.evaluation.metrics import score_item
from pipeline.files import read_manifest, shard_of, write_manifest
from pipeline.mixtures.names import source_names

COLUMNS = ["mixture_id", "system", "source", "metric", "value"]
MIXTURE = "mixture"
"""The system that does nothing: its estimate of everything is the noisy mixture."""

Row = dict[str, Any]

logger = logging.getLogger(__name__)


class Item(NamedTuple):
    """Signals that are scored together: names of the sources, files in the same order."""

    mixture_id: str
    length: int
    sources: list[str]
    references: list[str]
    estimates: list[str]


def score_separated(
    mixtures: Path,
    estimates: Path,
    out: Path,
    system: str,
    scatteritem: str,
    sample_rate: int,
    metrics: list[str],
) -> None:
    """Score a separator's estimates against the clean sources `s1`…`sN`.

    Args:
        mixtures: `mixtures.csv` of the test split.
        estimates: `mixture_id`, `s1_path`…`sN_path`, in any order of rows and of sources.
        out: the long table to write.
        system: `<separator>/<trained>/<tested>`.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.
        metrics: names as in the configuration.

    Raises:
        PipelineError: an estimate is missing, unreadable, holds NaN or has another length.
    """
    find = _estimates_of(estimates)

    def items(mixture: Row) -> Iterator[Item]:
        yield _item(mixture, source_names(mixture), find(mixture, source_names(mixture)))

    _score(mixtures, out, system, scatteritem, sample_rate, metrics, items)


def score_denoised(
    mixtures: Path,
    estimates: Path,
    out: Path,
    system: str,
    scatteritem: str,
    sample_rate: int,
    metrics: list[str],
) -> None:
    """Score a denoiser's estimates against `mix_clean`.

    Args:
        mixtures: `mixtures.csv` of the test split.
        estimates: `mixture_id`, `denoised_path`.
        out: the long table to write.
        system: `denoised-<denoiser>`.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.
        metrics: names as in the configuration.

    Raises:
        PipelineError: an estimate is missing, unreadable, holds NaN or has another length.
    """
    find = _estimates_of(estimates)

    def items(mixture: Row) -> Iterator[Item]:
        yield _item(mixture, ["mix_clean"], find(mixture, ["denoised"]))

    _score(mixtures, out, system, scatteritem, sample_rate, metrics, items)


def score_mixture(
    mixtures: Path, out: Path, scatteritem: str, sample_rate: int, metrics: list[str]
) -> None:
    """Score the noisy mixture itself, against each source and against `mix_clean`.

    Improvements are measured from these values.

    Raises:
        PipelineError: a file is missing, unreadable, holds NaN or has another length.
    """

    def items(mixture: Row) -> Iterator[Item]:
        for sources in (source_names(mixture), ["mix_clean"]):
            yield _item(mixture, sources, [mixture["mix_both_path"]] * len(sources))

    _score(mixtures, out, MIXTURE, scatteritem, sample_rate, metrics, items)


def _score(
    mixtures: Path,
    out: Path,
    system: str,
    scatteritem: str,
    sample_rate: int,
    metrics: list[str],
    items: Callable[[Row], Iterator[Item]],
) -> None:
    """The way all three share: items of each mixture of the shard, scored and written."""
    shard = shard_of(read_manifest(mixtures), scatteritem).to_dict("records")
    rows = [
        (item.mixture_id, system, source, metric, value)
        for mixture in tqdm(shard, f"scoring {system}", disable=None)
        for item in items(cast(Row, mixture))
        for source, metric, value in _values(item, sample_rate, metrics)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    _report_undefined(table)
    write_manifest(out, table)


def _values(
    item: Item, sample_rate: int, metrics: Sequence[str]
) -> Iterator[tuple[str, str, float]]:
    """Yield source, metric and value of one item."""
    references = _read(item.references, item, sample_rate)
    estimates = _read(item.estimates, item, sample_rate)
    scores = score_item(references, estimates, sample_rate, cast(Sequence[Metric], metrics))
    for metric, values in scores.items():
        for source, value in zip(item.sources, values, strict=True):
            yield source, metric, value


def _read(paths: list[str], item: Item, sample_rate: int) -> NDArray[np.float64]:
    """Read files of equal length: `[sources, time]`."""
    return np.stack([_read_one(path, item, sample_rate) for path in paths])


def _read_one(path: str, item: Item, sample_rate: int) -> NDArray[np.float64]:
    samples = audio.read_at(path, sample_rate)
    if len(samples) != item.length:
        raise PipelineError(
            f"{path}: has {len(samples)} samples where mixture {item.mixture_id} has"
            f" {item.length}; delete it and run again"
        )
    return samples.astype(np.float64)


def _item(mixture: Row, sources: list[str], estimates: list[str]) -> Item:
    references = [mixture[f"{source}_path"] for source in sources]
    return Item(mixture["mixture_id"], int(mixture["length"]), sources, references, estimates)


def _estimates_of(manifest: Path) -> Callable[[Row, list[str]], list[str]]:
    """A look-up of a mixture's estimated files by the names of their columns."""
    estimates = {row["mixture_id"]: row for row in read_manifest(manifest).to_dict("records")}

    def find(mixture: Row, names: list[str]) -> list[str]:
        row = estimates.get(mixture["mixture_id"], {})
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
    for metric, values in table[table["value"].isna()].groupby("metric"):
        first = values.iloc[0]
        logger.warning(
            "%s: %d of %d values are undefined (silence, or too little speech), first for %s of %s",
            metric,
            len(values),
            int((table["metric"] == metric).sum()),
            first["source"],
            first["mixture_id"],
        )
