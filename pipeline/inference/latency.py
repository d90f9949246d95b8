"""Latency and throughput of all systems, from the files of shards to those of all systems."""

from pathlib import Path

import pandas as pd

from pipeline.base.files import read_manifest, write_manifest
from pipeline.tasks.grammar import SYSTEM, System


def collect_latency(shards: list[Path], out: Path, summary: Path) -> None:
    """Join the times of shards and sum them up.

    `out` holds a row a file, `summary` p50/p95/p99 in ms and the median RTF (processing time
    over audio time) of each system; reading and writing of files are stated apart.

    Args:
        shards: folders with a latency.csv, below that of `out`, named as `system_of` has it.
        out: of all files.
        summary: of all systems.
    """
    table = pd.concat(
        [_read(shard, "latency.csv", out.parent) for shard in shards], ignore_index=True
    )
    table = table.drop(columns="split")
    leading = [*SYSTEM, "mixture_id"]
    write_manifest(out, table[leading + [c for c in table.columns if c not in leading]])
    write_manifest(summary, summarise(table))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row a system with count, percentiles of the latency and medians of the rest."""
    return (
        table.groupby([*SYSTEM, "device", "threads"], sort=False)
        .agg(
            files=("latency_ms", "size"),
            p50_ms=("latency_ms", "median"),
            p95_ms=("latency_ms", lambda values: values.quantile(0.95)),
            p99_ms=("latency_ms", lambda values: values.quantile(0.99)),
            rtf_p50=("rtf", "median"),
            read_p50_ms=("read_ms", "median"),
            write_p50_ms=("write_ms", "median"),
        )
        .round(4)
        .reset_index()
    )


def collect_throughput(shards: list[Path], out: Path) -> None:
    """Sum up the throughput of shards, a row a system and split.

    `busy_share` is the share of the time in which the device was at work, `hours_per_hour` the
    hours of audio that one job gets through in an hour, files read and written.

    Args:
        shards: folders with a throughput.csv, below that of `out`, named as `system_of` has it.
        out: of all systems.
    """
    table = pd.concat([_read(shard, "throughput.csv", out.parent) for shard in shards])
    sums = [c for c in table.columns if c.endswith("_seconds")]
    runs = [*SYSTEM, "split", *(c for c in table.columns if c not in [*SYSTEM, "split", *sums])]
    table = table.groupby(runs, sort=False)[sums].sum().reset_index()
    table["busy_share"] = (table["busy_seconds"] / table["wall_seconds"]).round(4)
    table["hours_per_hour"] = (table["audio_seconds"] / table["wall_seconds"]).round(2)
    write_manifest(out, table)


def system_of(folder: Path) -> dict[str, str | int]:
    """The columns of a shard's folder below that of estimates: `<system>/<split>/<shard>`."""
    *path, split, _ = folder.parts
    return System.parse("/".join(path)).columns | {"split": split}


def _read(shard: Path, name: str, root: Path) -> pd.DataFrame:
    return read_manifest(shard / name).assign(**system_of(shard.relative_to(root)))
