"""The signals of one mixture to compare by listening, with their scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import audio
from pipeline.audio import Samples
from pipeline.base.files import read_manifest
from pipeline.evaluation.metrics import matching
from pipeline.mixtures.names import present, source_names, sources_of
from pipeline.report.listen.clips import match_level
from pipeline.report.names import metric_of, number, system_label
from pipeline.report.run import Run
from pipeline.report.systems import MIXTURE_AS_DENOISED, denoiser_of, separator_of
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import System

BESIDE = ("si_sdri", "si_sdr", "sdr", "pesq", "stoi", "wer")
"""Metrics that are shown with every estimate, below the headline metric."""


@dataclass(frozen=True)
class Track:
    """One sound: its name, a smaller line below it, `[time]`, its scores in words."""

    name: str
    samples: Samples
    below: str = ""
    headline: str = ""
    scores: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Tracks to compare by listening."""

    title: str
    tracks: list[Track]


@dataclass(frozen=True)
class Estimates:
    """The manifests of estimates by the paths of their systems, each indexed by `mixture_id`."""

    denoised: dict[str, pd.DataFrame]
    separated: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, run: Run, systems: Sequence[str]) -> "Estimates":
        """Read the manifests of these systems, and of all denoisers of the same training run."""
        found, [main, *_] = run.inputs.estimates, [*systems, str(run.main)]
        same = [name for name in found if run_of(name) == run_of(main)]
        return cls(
            {name: _by_mixture(found[name]) for name in same if denoiser_of(name)},
            {name: _by_mixture(found[name]) for name in systems},
        )


@dataclass(frozen=True)
class Recording:
    """A mixture of the test split with all signals that were made from it.

    All its signals are `[time]`, as long as the mixture.
    """

    run: Run
    mixture_id: str
    estimates: Estimates = field(repr=False)

    @cached_property
    def row(self) -> pd.Series:
        """The mixture's row of the manifest."""
        return self.run.mixtures.loc[self.mixture_id]

    @cached_property
    def sources(self) -> list[str]:
        """`s1`, `s2`, …"""
        return sources_of(self.row)

    @cached_property
    def sample_rate(self) -> int:
        """Sample rate of all its signals in Hz."""
        return audio.info(self.row["mix_both_path"]).sample_rate

    @cached_property
    def mixture(self) -> Samples:
        """The input of separators and denoisers, with noise."""
        return audio.read(self.row["mix_both_path"])[0]

    @cached_property
    def references(self) -> list[Samples]:
        """The true sources."""
        return [self._read(self.row[f"{source}_path"]) for source in self.sources]

    def groups(self) -> list[Group]:
        """Return the inputs of the separators, then a group for each speaker.

        Outputs that fit none of them stand in a group of their own. A run of denoisers alone has
        no such groups.
        """
        if not self.run.systems:
            return [Group("Mixture and denoised", list(self._inputs()))]
        aligned = {
            name: self._by_source(name, table.loc[self.mixture_id])
            for name, table in self.estimates.separated.items()
            if self.mixture_id in table.index
        }
        speakers = [
            self._speaker(index, {name: of[source] for name, of in aligned.items() if source in of})
            for index, source in enumerate(self.sources)
        ]
        extra = [
            Track(system_label(name), samples, separator_of(name))
            for name, of in aligned.items()
            for source, samples in of.items()
            if source not in self.sources
        ]
        others = [Group("Outputs without a speaker", extra)] if extra else []
        title = "Mixture and denoised" if self.estimates.denoised else "Mixture"
        return [Group(title, list(self._inputs())), *speakers, *others]

    def _inputs(self) -> Iterator[Track]:
        yield self._track("noisy mixture", self.mixture, "", MIXTURE_AS_DENOISED, "mix_clean")
        if self.estimates.denoised:
            clean = self._read(self.row["mix_clean_path"])
            yield Track("mixture without noise", clean, "the reference of denoisers")
        for name, table in self.estimates.denoised.items():
            if self.mixture_id in table.index:
                samples = self._read(table.loc[self.mixture_id, "mix_clean_path"])
                yield self._track(system_label(name), samples, "", name, "mix_clean")
                removed = self.mixture - samples
                yield Track(
                    f"removed by {denoiser_of(name)}", removed, "the mixture minus the denoised"
                )

    def _speaker(self, index: int, estimates: dict[str, Samples]) -> Group:
        source, reference = self.sources[index], self.references[index]
        tracks = [Track("reference", reference)]
        for name, samples in estimates.items():
            # Separators are trained by SI-SDR, which does not determine the scale of their outputs.
            matched = match_level(samples, reference)
            tracks.append(
                self._track(system_label(name), matched, separator_of(name), name, source)
            )
        speaker = self.row.get(f"source_{index + 1}_speaker")
        named = f", {speaker}" if pd.notna(speaker) else ""
        return Group(f"Speaker {index + 1}{named}", tracks)

    def _by_source(self, name: str, paths: pd.Series) -> dict[str, Samples]:
        """Return the estimates of a system by their sources; a task may have some of these.

        Outputs beyond the sources have the names `extra 1`, `extra 2`, …
        """
        task = TASKS[System.parse(name).model.task]
        names = present(paths.to_dict(), source_names(paths.index))
        outputs = [self._read(paths[f"{source}_path"]) for source in names]
        if not task.permuted:
            named = dict(zip(names, outputs, strict=True))
            return {source: named[source] for source in self.sources if source in named}
        matched, order = matching(np.stack(self.references), np.stack(outputs))
        pairs = zip(matched, order, strict=True)
        found = {self.sources[source]: outputs[place] for source, place in pairs}
        extra = [outputs[place] for place in range(len(outputs)) if place not in order]
        return found | {f"extra {k}": samples for k, samples in enumerate(extra, 1)}

    def _read(self, path: Path | str) -> Samples:
        samples, length = audio.read_at(path, self.sample_rate), len(self.mixture)
        return np.pad(samples[:length], (0, max(0, length - len(samples))))

    def _track(self, name: str, samples: Samples, below: str, of: str, source: str) -> Track:
        headline = str(self.run.metric)
        values = self._values.get((of, source), {})
        beside = [metric for metric in BESIDE if metric in values and metric != headline]
        return Track(
            name,
            samples,
            below,
            in_words(headline, values[headline]) if headline in values else "",
            [in_words(metric, values[metric]) for metric in beside],
        )

    @cached_property
    def _values(self) -> dict[tuple[str, str], dict[str, float]]:
        table = self.run.scores
        mine = table[(table["mixture_id"] == self.mixture_id) & table["value"].notna()]
        values: dict[tuple[str, str], dict[str, float]] = {}
        for name, source, metric, value in mine[["system", "source", "metric", "value"]].to_numpy():
            values.setdefault((name, source), {})[metric] = value
        return values


def run_of(name: str) -> int:
    """The number of the training run of a system, by its path."""
    return System.parse(name).model.run


def in_words(metric: str, value: float) -> str:
    """Return a value with its metric's label and unit."""
    known = metric_of(metric)
    return f"{known.label} {number(value, known.digits)} {known.unit}".rstrip()


def _by_mixture(manifest: Path) -> pd.DataFrame:
    return read_manifest(manifest).set_index("mixture_id")
