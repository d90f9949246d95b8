"""Score the same estimates with asteroid's `get_metrics` and with ours; compare values and speed.

    python benchmarks/scoring.py results/corpora --mixtures 24 --cores 2

The folder holds `speech.csv` and `noise.csv` at the rate of `config.yaml`. Test mixtures are
drawn and rendered from it in a temporary folder; estimates are sources with parts of the other
sources and of the noise. asteroid gets signals in memory, and estimates in the right order; it
scores the mixture again with every system. It runs in two ways, in processes that exist before
the timing: with `default settings`, in one process whose linear algebra has a thread per core,
and `in a pool` of one process per core, with a thread each. Ours is the work of a workflow's job,
from files to its table, including the start of its processes.

All are timed in turns. Every system costs the same: asteroid takes S times the time of one system
for S systems, and ours the time of the mixture and S times that of one system. Ratios are within a
pass; the output gives median and range, for wall time and for processor time, which other programs
disturb less. Waiting threads use processor time, too, so that it says little about asteroid with
default settings.
"""

import argparse
import logging
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import psutil
import yaml
from threadpoolctl import threadpool_limits

from pipeline import audio
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Metric, load_config
from pipeline.evaluation.measures import open_measure
from pipeline.evaluation.score import score
from pipeline.mixtures.names import source_names
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard
from pipeline.models import asteroid  # noqa: F401  makes asteroid.metrics importable
from pipeline.tasks import SEPARATE
from pipeline.tasks.grammar import NOISY, UNPROCESSED, UNTRAINED, ModelKey, System

ROOT = Path(__file__).parents[1]
METRICS: list[Metric] = [metric for metric in get_args(Metric) if metric != "estoi"]  # asteroid's
SYSTEM = System(ModelKey(SEPARATE.name, "bench", NOISY), NOISY)
MIXTURE = System(ModelKey(SEPARATE.name, UNPROCESSED, UNTRAINED), NOISY)

Row = dict[str, Any]
Cost = np.ndarray
"""Seconds of wall time and of processor time, `[2]`."""

Signals = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The mixture `[time]`, sources and estimates `[sources, time]`."""


def main() -> None:
    """Measure, print a line for each pass, then the figures."""
    options = _options()
    logging.disable(logging.WARNING)
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["mixtures"]["counts"]["test"] = options.mixtures
    config = load_config(values)
    cores = options.cores
    with tempfile.TemporaryDirectory() as name, _pool(cores, 1) as pool, _pool(1, cores) as alone:
        folder = Path(name)
        items = _make_items(options.corpora, folder, config)
        given = [(*item, config.sample_rate) for item in items]
        for ready in (pool, alone):
            ready.map(_theirs, given[:cores], 1)
        measures: dict[str, Callable[[], Any]] = {
            "mixture": lambda: _ours(folder, MIXTURE, None, config.sample_rate, cores),
            "system": lambda: _ours(
                folder, SYSTEM, folder / "estimates.csv", config.sample_rate, cores
            ),
            "default settings": lambda: alone.map(_theirs, given, 1),
            "in a pool": lambda: pool.map(_theirs, given, 1),
        }
        costs: dict[str, list[Cost]] = {name: [] for name in measures}
        for _ in range(options.passes):
            for name, measure in measures.items():
                before = _spent()
                found = measure()
                costs[name].append(_spent() - before)
            print(
                "  ".join(f"{name} {took[-1][0]:.2f} s" for name, took in costs.items()), flush=True
            )
        _report_ratios({name: np.array(took).T for name, took in costs.items()}, options)
        _report_differences(folder, found)


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path, help="folder of speech.csv and noise.csv")
    parser.add_argument("--mixtures", type=int, default=24)
    parser.add_argument("--systems", type=int, nargs="+", default=[1, 3, 9])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--passes", type=int, default=3)
    return parser.parse_args()


def _pool(processes: int, threads: int) -> Any:
    """Return a pool of processes with `threads` numeric threads each, and default memory."""
    return multiprocessing.get_context("fork").Pool(processes, threadpool_limits, (threads,))


def _make_items(corpora: Path, folder: Path, config: Any) -> list[Signals]:
    """Render mixtures, write estimates of them, and read all."""
    given = corpora / "speech.csv", corpora / "noise.csv"
    rate = config.sample_rate
    draw_plan(*given, [folder / "plan.csv"], "test", config.mixtures, config.seed, rate)
    render_shard(folder / "plan.csv", folder, rate, config.mixtures)
    rng, rows, items = np.random.default_rng(0), [], []
    for row in read_manifest(folder / "index.csv").to_dict("records"):
        sources = np.stack([audio.read_at(row[f"{s}_path"], rate) for s in source_names(row)])
        mixture = audio.read_at(row["mix_both_path"], rate)
        noise = mixture - sources.sum(0)
        weights = np.eye(len(sources)) + rng.uniform(0, 0.3, (len(sources),) * 2)
        estimates = weights @ sources + rng.uniform(0.05, 0.5) * noise
        rows.append(_written(folder, row, estimates.astype(np.float32), rate))
        items.append((mixture, sources, estimates.astype(np.float32)))
    write_manifest(folder / "estimates.csv", pd.DataFrame(rows))
    return [tuple(signals.astype(np.float64) for signals in item) for item in items]


def _written(folder: Path, row: Row, estimates: np.ndarray, rate: int) -> Row:
    """Write the estimates in reverse order, which scoring must detect."""
    cells: Row = {"mixture_id": row["mixture_id"]}
    for name, samples in zip(source_names(row), estimates[::-1], strict=True):
        path = folder / "estimates" / name / f"{row['mixture_id']}.wav"
        audio.write(path, samples, rate, subtype="FLOAT")
        cells[f"{name}_path"] = str(path)
    return cells


def _ours(folder: Path, system: System, estimates: Path | None, rate: int, cores: int) -> None:
    measure = open_measure("signal", rate, metrics=METRICS)
    out = folder / f"scores-{system.model.name}.csv"
    score(folder / "index.csv", estimates, out, system, "1-of-1", rate, measure, cores)


def _theirs(item: tuple[np.ndarray, np.ndarray, np.ndarray, int]) -> dict[str, np.ndarray]:
    from asteroid.metrics import get_metrics  # not before that

    warnings.simplefilter("ignore")  # mir_eval's, of its successor
    mixture, sources, estimates, rate = item
    return get_metrics(mixture[None], sources, estimates, rate, METRICS, average=False)


def _spent() -> Cost:
    """Wall time and processor time, including that of this program's other processes."""
    times = os.times()
    alive = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    busy = sum(t.user + t.system for t in alive) + sum(times[:4])
    return np.array([time.perf_counter(), busy])


def _report_ratios(costs: dict[str, np.ndarray], options: argparse.Namespace) -> None:
    print(f"{options.mixtures} mixtures, {options.cores} cores, {options.passes} passes in turns")
    for systems in options.systems:
        ours = costs["mixture"] + systems * costs["system"]
        for way in ("default settings", "in a pool"):
            theirs = systems * costs[way]
            for kind, o, t in zip(("clock", "processors"), ours, theirs, strict=True):
                ratio = t / o
                print(
                    f"{systems} system(s), asteroid {way}, {kind}: ours {np.median(o):.1f} s,"
                    f" theirs {np.median(t):.1f} s, ratio {np.median(ratio):.1f}"
                    f" ({ratio.min():.1f} to {ratio.max():.1f})"
                )


def _report_differences(folder: Path, theirs: Iterable[dict[str, np.ndarray]]) -> None:
    """Print the largest difference of each metric, of estimates and of mixtures."""
    found = list(theirs)
    for system, prefix in ((SYSTEM, ""), (MIXTURE, "input_")):
        table = read_manifest(folder / f"scores-{system.model.name}.csv")
        for metric in METRICS:
            ours = table.loc[table["metric"] == metric, "value"].to_numpy()
            expected = np.concatenate([np.ravel(values[prefix + metric]) for values in found])
            difference = np.abs(ours - expected).max()
            print(f"{prefix + metric:13} differs by {difference:.1e} at most, {len(ours)} values")


if __name__ == "__main__":
    main()
