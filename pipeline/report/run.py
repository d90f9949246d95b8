"""A finished run for the sections of the report: every table is read once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import read_json, read_manifest
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.counting import COUNTING
from pipeline.evaluation.repeats import of_all_trainings
from pipeline.models.card import Card, read_card
from pipeline.models.chain import CHAIN
from pipeline.report.inputs import ReportInputs
from pipeline.report.names import headline, metric_of, metrics_in, of_systems
from pipeline.report.systems import (
    denoiser_of,
    direct_of,
    is_oracle,
    mean_scores,
    system,
    with_networks,
    with_pairs,
    with_systems,
)
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.tasks.grammar import SYSTEM

# Columns that are used before an empty table is noticed.
_COLUMNS = [*SYSTEM, *(f"{column}_{side}" for side in "ab" for column in SYSTEM)]
_COLUMNS += ["mixture_id", "latency_ms", "device", "threads", "metric"]


@dataclass(frozen=True)
class Run:
    """Tables and facts of a run."""

    inputs: ReportInputs

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.inputs.config

    @property
    def sample_rate(self) -> int:
        """Sample rate of all audio in Hz."""
        return int(self.config.get("sample_rate", 8000))

    @property
    def seed(self) -> int:
        """Seed of all random draws."""
        return int(self.config.get("seed", 0))

    @property
    def confidence(self) -> float:
        """Confidence of all intervals, such as 0.95."""
        return float(self.config.get("evaluation", {}).get("confidence", 0.95))

    @property
    def percent(self) -> str:
        """The confidence as text, without a line break."""
        return f"{100 * self.confidence:g}\N{NO-BREAK SPACE}%"

    @cached_property
    def mixtures(self) -> pd.DataFrame:
        """The test split's manifest, by `mixture_id`."""
        return read_manifest(self.inputs.mixtures).set_index("mixture_id")

    @cached_property
    def all_scores(self) -> pd.DataFrame:
        """The long table of scores of every training."""
        return with_systems(read_manifest(self.inputs.scores))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The long table of scores; for several trainings, their mean."""
        return mean_scores(self.all_scores)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Mean, median and interval per system and metric."""
        return with_systems(of_all_trainings(read_manifest(self.inputs.summary)))

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Paired differences of all but denoisers, with the costs of both sides."""
        return self._pairs[self._pairs["task"] != DENOISE.name]

    @cached_property
    def denoiser_comparisons(self) -> pd.DataFrame:
        """Paired differences of denoisers, with the costs of both sides."""
        return self._pairs[self._pairs["task"] == DENOISE.name]

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        return with_pairs(_rows(self.inputs.comparisons))

    @cached_property
    def dry(self) -> pd.DataFrame:
        """SI-SDRi by the share of the mixture added back to a denoiser's output."""
        return with_systems(_rows(self.inputs.dry))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """One row per timed call."""
        return with_networks(_rows(self.inputs.latency))

    @cached_property
    def latency_summary(self) -> pd.DataFrame:
        """Percentiles per stage, model and test condition."""
        return with_networks(_rows(self.inputs.latency_summary))

    @cached_property
    def throughput(self) -> pd.DataFrame:
        """Hours of audio per hour, and the device's share of the time, of each run of a network."""
        return with_networks(_rows(self.inputs.throughput))

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The question, its sentences and their facts."""
        return read_json(self.inputs.answer)

    @cached_property
    def histories(self) -> dict[str, pd.DataFrame]:
        """One row per epoch, by the model's name; `best` is true for the epoch of the weights."""
        return {name: self._history(name) for name in self.inputs.histories}

    def _history(self, name: str) -> pd.DataFrame:
        history = _rows(self.inputs.histories[name])
        best = self.cards[name].training.get("best") if name in self.cards else None
        return history.assign(best=history["epoch"] == best["epoch"]) if best else history

    @cached_property
    def cards(self) -> dict[str, Card]:
        """The cards of the weights files, by the model's name."""
        return {name: read_card(path) for name, path in self.inputs.weights.items()}

    @cached_property
    def systems(self) -> list[str]:
        """Separation systems in the summary's order."""
        names = of_systems(self.summary, lambda name: system(name) is not None)["system"]
        return list(dict.fromkeys(names))

    @cached_property
    def realistic(self) -> list[str]:
        """The systems with a realistic input: those not tested on the clean mixture.

        Where there is no other system, the denoisers.
        """
        if not self.systems:
            names = of_systems(self.summary, lambda name: denoiser_of(name) is not None)["system"]
            return list(dict.fromkeys(names))
        return [name for name in self.systems if not is_oracle(name)]

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics of separation systems in the report's order, the headline metric first.

        Those of counting have a section of their own.
        """
        known = metrics_in(of_systems(self.summary, lambda name: name in self.systems))
        return [metric for metric in known if metric not in COUNTING]

    @cached_property
    def metric(self) -> str | None:
        """The headline metric."""
        return headline(self.summary)

    def means(self, metric: str) -> pd.DataFrame:
        """Return the summary of a metric, by system."""
        return self.summary[self.summary["metric"] == metric].set_index("system")

    @cached_property
    def ranked(self) -> list[str]:
        """The realistic systems that separate, with a mean of `metric`, the best first.

        Where there is no such system, the denoisers.
        """
        metric, own = str(self.metric), f"{(SEPARATE if self.systems else DENOISE).name}/"
        names = [name for name in self.realistic if name.startswith(own)]
        means = self.means(metric)["mean"].reindex(names).dropna()
        ascending = metric_of(metric).low_is_good
        return [str(n) for n in means.sort_values(ascending=ascending, kind="stable").index]

    @property
    def chains(self) -> set[str]:
        """Names of the separators that denoise by themselves."""
        separators = self.config.get("separators") or {}
        return {name for name, network in separators.items() if network.get("model") == CHAIN}

    @property
    def main(self) -> str | None:
        """The best system that is not an oracle."""
        return next(iter(self.ranked), None)

    @property
    def counterpart(self) -> str | None:
        """The system to compare with `main`: without a denoiser if it has one, else with one."""
        if self.main is None:
            return None
        direct = direct_of(self.main)
        if self.main != direct:
            return direct if direct in self.ranked else None
        helped = (n for n in self.ranked if (s := system(n)) and (s.denoiser or s.denoised_after))
        return next((name for name in helped if direct_of(name) == direct), None)

    def values(self, metric: str) -> pd.DataFrame:
        """Return a metric as `[mixtures, systems]`: means over the defined sources of mixtures."""
        return self._values[metric] if metric in self._values else pd.DataFrame()

    @cached_property
    def _values(self) -> dict[str, pd.DataFrame]:
        means = self.scores.groupby(["metric", "mixture_id", "system"], sort=False)["value"].mean()
        tables = {
            str(metric): part.droplevel("metric").unstack("system").sort_index()
            for metric, part in means.groupby("metric", sort=False)
        }
        return tables

    @property
    def bootstrap(self) -> Bootstrap:
        """The settings of the summary's intervals: those of the page come from the same draws."""
        samples = int(self.config.get("evaluation", {}).get("bootstrap_samples", 2000))
        return Bootstrap(samples, self.confidence, self.seed)


def _rows(path: Path) -> pd.DataFrame:
    """Read a table that may be empty; pandas writes an empty frame as a bare line end."""
    return read_manifest(path) if path.stat().st_size > 2 else pd.DataFrame(columns=_COLUMNS)
