"""Runs that have only tables, made from scores that a test sets."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from report.results_tree import with_costs
from systems import path_of, with_columns

from pipeline.base.files import write_json, write_manifest
from pipeline.report.inputs import ReportInputs

SCORES = ["mixture_id", "system", "source", "metric", "value"]
COMPARISONS = ["system_a", "system_b", "metric", "difference", "low", "high"]
COMPARISONS += ["win_rate", "mixtures"]
CONDITIONS = ("clean", "noisy", "denoised-d")
MATRIX = [path_of(f"net/{a}/{b}") for a, b in itertools.product(CONDITIONS, CONDITIONS)]


def drawn(systems, mixtures=12, sources=2, seed=0):
    """Random scores, `[mixtures, sources]` by system."""
    random = np.random.default_rng(seed)
    return {name: random.normal(5, 2, (mixtures, sources)) for name in systems}


def ids(count):
    return [f"test-{n:03d}" for n in range(count)]


def write_run(root: Path, scores, facts=None, answer_facts=(), **config) -> ReportInputs:
    """Write the tables of a run.

    Args:
        root: folder of the run.
        scores: `[mixtures, sources]` by system, by metric.
        facts: columns of the mixtures' manifest beside id and length.
        answer_facts: those of the answer.
        config: sections of the configuration.
    """
    long = pd.concat([_long(m, s, v) for m, of in scores.items() for s, v in of.items()])
    mixtures = ids(len(next(iter(next(iter(scores.values())).values()))))
    table = pd.DataFrame({"mixture_id": mixtures, "length": 16000, **(facts or {})})
    write_manifest(root / "mixtures.csv", table)
    write_manifest(root / "scores.csv", with_columns(long))
    write_manifest(root / "summary.csv", with_columns(_summary(long)))
    pairs = with_columns(with_columns(with_costs(_comparisons(scores)), "_a"), "_b")
    write_manifest(root / "comparisons.csv", pairs)
    answer = {"question": "Does it help?", "sentences": ["Yes."], "facts": list(answer_facts)}
    write_json(root / "answer.json", answer)
    tables = ("mixtures", "scores", "summary", "comparisons")
    tables += ("dry", "latency", "latency_summary", "throughput")
    return ReportInputs(
        **{name: root / f"{name}.csv" for name in tables},
        answer=root / "answer.json",
        histories={},
        weights={},
        estimates={},
        config={"evaluation": {"bootstrap_samples": 200, "confidence": 0.9}, **config},
        benchmarks=root / "benchmarks",
        run=root / "run.json",
    )


def _long(metric, system, values):
    rows = [
        (mixture, system, f"s{source}", metric, value)
        for mixture, row in zip(ids(len(values)), values, strict=True)
        for source, value in enumerate(row, 1)
    ]
    return pd.DataFrame(rows, columns=SCORES)


def _summary(long):
    means = long.groupby(["system", "metric"], sort=False)["value"].mean()
    table = means.rename("mean").reset_index()
    return table.assign(median=table["mean"], low=table["mean"], high=table["mean"], missing=0)


def _comparisons(scores):
    rows = []
    for metric, values in scores.items():
        means = {name: pd.DataFrame(each).mean(axis=1).to_numpy() for name, each in values.items()}
        for a, b in itertools.combinations(sorted(means), 2):
            difference = means[a] - means[b]
            mean = np.nanmean(difference)
            share = np.mean(difference > 0)
            rows.append((a, b, metric, mean, mean - 0.5, mean + 0.25, share, len(difference)))
    return pd.DataFrame(rows, columns=COMPARISONS)
