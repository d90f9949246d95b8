"""Score the same estimates with asteroid's `get_metrics` and with ours: same numbers? as fast?

    python benchmarks/scoring.py results/corpora --mixtures 24 --cores 2

The folder holds `speech.csv` and `noise.csv` at the rate of `config.yaml`. Test mixtures are
drawn and rendered from it in a temporary folder; estimates are sources with some of the others
and of the noise. asteroid gets signals that are read already, and estimates in the right order;
it scores the mixture again with every system. It runs in two ways, in processes that are there
before time is counted: `as it comes`, in one whose linear algebra has a thread a core, and `in a
pool` of one a core, with a thread each. Ours is what a job of the workflow does, from files to its
table; it starts its processes in the time that is counted.

All are timed in turns. Systems cost the same: S of them take asteroid S times what one takes, and
us the mixture and S times one system. Ratios are of each pass; printed are median and range, of
the time that passes and of that of the processors, which other programs disturb less. Threads that
wait for each other are busy, too: of asteroid as it comes it says little.
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
"""Seconds that pass and seconds of processors, `[2]`."""

Signals = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The mixture `[time]`, sources and estimates `[sources, time]`."""


def main() -> None:
    """Measure, print a line a pass, then the figures."""
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
            "as it comes": lambda: alone.map(_theirs, given, 1),
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
    """Processes with so many numeric threads each, and memory as it comes."""
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
    """Write the estimates in reverse order, which scoring must find out."""
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
    """The clock and the processors' seconds, those of other processes of this program as well."""
    times = os.times()
    alive = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    busy = sum(t.user + t.system for t in alive) + sum(times[:4])
    return np.array([time.perf_counter(), busy])


def _report_ratios(costs: dict[str, np.ndarray], options: argparse.Namespace) -> None:
    print(f"{options.mixtures} mixtures, {options.cores} cores, {options.passes} passes in turns")
    for systems in options.systems:
        ours = costs["mixture"] + systems * costs["system"]
        for way in ("as it comes", "in a pool"):
            theirs = systems * costs[way]
            for kind, o, t in zip(("clock", "processors"), ours, theirs, strict=True):
                ratio = t / o
                print(
                    f"{systems} system(s), asteroid {way}, {kind}: ours {np.median(o):.1f} s,"
                    f" theirs {np.median(t):.1f} s, ratio {np.median(ratio):.1f}"
                    f" ({ratio.min():.1f} to {ratio.max():.1f})"
                )


def _report_differences(folder: Path, theirs: Iterable[dict[str, np.ndarray]]) -> None:
    """The largest difference of each metric, of estimates and of mixtures."""
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
