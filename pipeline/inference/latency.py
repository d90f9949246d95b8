"""Latency of both stages, from the times of single files to percentiles."""

from pathlib import Path

import pandas as pd

from pipeline.files import read_manifest, write_manifest

GROUP = ["stage", "model", "tested", "device", "threads"]


def collect_latency(runs: list[tuple[str, str, str, Path]], out: Path, summary: Path) -> None:
    """Join the times of runs `(stage, model, tested condition, latency.csv)` and sum them up.

    `out` holds a row a file, `summary` p50/p95/p99 in ms and the median RTF (processing time
    over audio time) of each run; reading and writing of files are stated apart.
    """
    tables = [
        read_manifest(path).assign(stage=stage, model=model, tested=tested)
        for stage, model, tested, path in runs
    ]
    table = pd.concat(tables, ignore_index=True)
    leading = ["stage", "model", "tested", "mixture_id"]
    write_manifest(out, table[leading + [c for c in table.columns if c not in leading]])
    write_manifest(summary, summarise(table))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run with count, percentiles of the latency and medians of the rest."""
    return (
        table.groupby(GROUP, sort=False)
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
