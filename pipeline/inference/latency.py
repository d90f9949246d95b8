"""Latency and throughput of both stages, from the files of shards to those of all runs."""

from pathlib import Path

import pandas as pd

from pipeline.base.files import read_manifest, write_manifest

RUN = ["stage", "model", "tested"]
STAGES = {"denoised": "denoise", "separated": "separate"}  # by folder


def collect_latency(shards: list[Path], out: Path, summary: Path) -> None:
    """Join the times of shards and sum them up.

    `out` holds a row a file, `summary` p50/p95/p99 in ms and the median RTF (processing time
    over audio time) of each run; reading and writing of files are stated apart.

    Args:
        shards: folders with a latency.csv, below that of `out`, named as `run_of` has it.
        out: of all files.
        summary: of all runs.
    """
    table = pd.concat(
        [_read(shard, "latency.csv", out.parent) for shard in shards], ignore_index=True
    )
    table = table.drop(columns="split")
    leading = [*RUN, "mixture_id"]
    write_manifest(out, table[leading + [c for c in table.columns if c not in leading]])
    write_manifest(summary, summarise(table))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run with count, percentiles of the latency and medians of the rest."""
    return (
        table.groupby([*RUN, "device", "threads"], sort=False)
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
    """Sum up the throughput of shards, a row a run.

    `busy_share` is the share of the time in which the device was at work, `hours_per_hour` the
    hours of audio that one job gets through in an hour, files read and written.

    Args:
        shards: folders with a throughput.csv, below that of `out`, named as `run_of` has it.
        out: of all runs.
    """
    table = pd.concat([_read(shard, "throughput.csv", out.parent) for shard in shards])
    sums = [c for c in table.columns if c.endswith("_seconds")]
    runs = [*RUN, "split", *(c for c in table.columns if c not in [*RUN, "split", *sums])]
    table = table.groupby(runs, sort=False)[sums].sum().reset_index()
    table["busy_share"] = (table["busy_seconds"] / table["wall_seconds"]).round(4)
    table["hours_per_hour"] = (table["audio_seconds"] / table["wall_seconds"]).round(2)
    write_manifest(out, table)


def run_of(shard: Path) -> dict[str, str]:
    """Stage, model, tested condition and split of a shard's folder, below that of estimates.

    It is `denoised/<denoiser>/<split>/<shard>`, or for the test split, which alone is separated,
    `separated/<separator>/<trained>/<tested>/<shard>`.
    """
    stage, *model, last, _ = shard.parts
    tested, split = ("noisy", last) if stage == "denoised" else (last, "test")
    facts = {"stage": STAGES[stage], "model": "/".join(model)}
    return facts | {"tested": tested, "split": split}


def _read(shard: Path, name: str, root: Path) -> pd.DataFrame:
    return read_manifest(shard / name).assign(**run_of(shard.relative_to(root)))
