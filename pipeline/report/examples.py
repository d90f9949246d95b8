"""Listening examples, picked by rule and never by hand, with their audio beside the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import audio
from pipeline.audio import Samples
from pipeline.evaluation.metrics import permutation
from pipeline.files import read_manifest
from pipeline.mixtures.names import source_names
from pipeline.report.figures import power_db, spectrogram
from pipeline.report.inputs import ReportInputs
from pipeline.report.names import (
    DENOISED,
    headline,
    main_system,
    metric_of,
    number,
    system,
    system_label,
)

PEAK = 0.99


@dataclass(frozen=True)
class Clip:
    """One player: what is heard, its files relative to the page, its score ("" for none)."""

    label: str
    audio: str
    spectrogram: str
    score: str = ""


@dataclass(frozen=True)
class Group:
    """Clips to be heard beside each other."""

    title: str
    clips: list[Clip]


@dataclass(frozen=True)
class Example:
    """One mixture: why it was picked, what it is, and its clips."""

    rank: str
    mixture_id: str
    score: str
    facts: str
    groups: list[Group]


def pick(scores: pd.DataFrame, system_name: str, metric: str, count: int) -> list[tuple[str, str]]:
    """Pick mixtures at fixed ranks of a system's scores.

    The ranks are the median, the worst, the best, then quarters, eighths and so on; the picks
    come back from best to worst, as (rank, mixture_id). Fewer come back than asked for where
    the ranks of a small test set coincide.
    """
    rows = scores[(scores["system"] == system_name) & (scores["metric"] == metric)]
    means = rows.dropna(subset="value").groupby("mixture_id")["value"].mean()
    # Ties are broken by name, so that the choice does not hang on the order of the rows.
    order = means.reset_index().sort_values(["value", "mixture_id"])["mixture_id"].tolist()
    picked: dict[int, str] = {}
    for quantile in list(_quantiles(count)) if order else []:
        picked.setdefault(int(quantile * (len(order) - 1)), _rank_label(quantile))
    return [(picked[place], order[place]) for place in sorted(picked, reverse=True)]


def _quantiles(count: int) -> Iterator[float]:
    first = [0.5, 0.0, 1.0]
    yield from first[:count]
    denominator, made = 4, len(first)
    while made < count:
        for numerator in range(denominator - 1, 0, -2):
            if made < count:
                yield numerator / denominator
            made += 1
        denominator *= 2


def _rank_label(quantile: float) -> str:
    names = {0.0: "worst", 0.5: "median", 1.0: "best"}
    return names.get(quantile, f"{100 * quantile:g}th percentile")


def shown_systems(summary: pd.DataFrame, separated: dict[str, Path]) -> list[str]:
    """The main system, and the one to hear beside it: with no denoiser if the main one has one."""
    main = main_system(summary)
    if main is None or main not in separated:
        return []
    parsed = system(main)
    assert parsed is not None
    if not parsed.direct:
        beside = f"{parsed.separator}/noisy/noisy"
    else:
        helped = [n for n in separated if (s := system(n)) and s.tested.startswith(DENOISED)]
        beside = main_system(summary[summary["system"].isin(helped)]) or ""
    return [main, beside] if beside in separated else [main]


def make_examples(inputs: ReportInputs, page: Path) -> list[Example]:
    """Pick examples and write their audio and spectrograms to `assets/` beside the page.

    Args:
        inputs: the run's files.
        page: folder of `index.html`.
    """
    summary, scores = read_manifest(inputs.summary), read_manifest(inputs.scores)
    systems, metric = shown_systems(summary, inputs.separated), headline(summary)
    if not systems or metric is None:
        return []
    wanted = inputs.config.get("report", {}).get("examples", 3)
    picks = pick(scores, systems[0], metric, wanted)
    mixtures = read_manifest(inputs.mixtures).set_index("mixture_id")
    estimates = {name: _by_mixture(inputs.separated[name]) for name in systems}
    denoised = {name: _by_mixture(path) for name, path in inputs.denoised.items()}
    examples = []
    for number_, (rank, mixture_id) in enumerate(picks, 1):
        own = scores[(scores["mixture_id"] == mixture_id) & (scores["metric"] == metric)]
        maker = _Maker(page, f"assets/example-{number_}", mixtures.loc[mixture_id], own, metric)
        groups = [maker.inputs(denoised), *maker.speakers(estimates)]
        examples.append(Example(rank, mixture_id, maker.score(systems[0]), maker.facts(), groups))
    return examples


def _by_mixture(manifest: Path) -> pd.DataFrame:
    return read_manifest(manifest).set_index("mixture_id")


class _Maker:
    """Makes the clips of one mixture.

    Args:
        page: folder of the page.
        folder: where the clips go, relative to the page.
        row: the mixture's row of the manifest.
        scores: its scores in the headline metric, all systems.
        metric: the headline metric.
    """

    def __init__(
        self, page: Path, folder: str, row: pd.Series, scores: pd.DataFrame, metric: str
    ) -> None:
        self.page, self.folder, self.row = page, folder, row
        self.scores, self.metric = scores, metric
        self.mixture, self.rate = audio.read(row["mix_both_path"])
        # The loudest point of the mixture is the brightest colour of all its spectrograms.
        self.ceiling = float(power_db(self.mixture, self.rate)[2].max())
        self.sources = source_names(row.index)

    def inputs(self, denoised: dict[str, pd.DataFrame]) -> Group:
        """The mixture as it is and as each denoiser returns it."""
        clips = [self._clip("noisy mixture", "mixture", self.mixture)]
        for number_, (name, table) in enumerate(denoised.items(), 1):
            if self.row.name in table.index:
                samples = audio.read_at(table.loc[self.row.name, "denoised_path"], self.rate)
                score = self.score(DENOISED + name, "mix_clean")
                clip = self._clip(f"denoised by {name}", f"denoised-{number_}", samples, score)
                clips.append(clip)
        return Group("Heard by the separators", clips)

    def speakers(self, estimates: dict[str, pd.DataFrame]) -> list[Group]:
        """For each speaker the reference, then each system's estimate of it."""
        references = [audio.read_at(self.row[f"{key}_path"], self.rate) for key in self.sources]
        aligned = {
            name: self._aligned(table.loc[self.row.name], references)
            for name, table in estimates.items()
            if self.row.name in table.index
        }
        return [
            self._speaker(index, reference, {name: out[index] for name, out in aligned.items()})
            for index, reference in enumerate(references)
        ]

    def _aligned(self, paths: pd.Series, references: list[Samples]) -> list[Samples]:
        outputs = [audio.read_at(paths[f"{key}_path"], self.rate) for key in self.sources]
        length = min(len(signal) for signal in references + outputs)
        cut = [np.stack([s[:length] for s in signals]) for signals in (references, outputs)]
        return [outputs[int(channel)] for channel in permutation(*cut)]

    def _speaker(self, index: int, reference: Samples, outputs: dict[str, Samples]) -> Group:
        source = self.sources[index]
        clips = [self._clip("reference", f"{source}-reference", reference)]
        for number_, (name, samples) in enumerate(outputs.items(), 1):
            matched = match_level(samples, reference)
            score = self.score(name, source)
            clips.append(
                self._clip(system_label(name), f"{source}-system-{number_}", matched, score)
            )
        speaker = self.row.get(f"source_{index + 1}_speaker")
        named = f", {speaker}" if pd.notna(speaker) else ""
        return Group(f"Speaker {index + 1}{named}", clips)

    def _clip(self, label: str, stem: str, samples: Samples, score: str = "") -> Clip:
        sound, picture = f"{self.folder}/{stem}.flac", f"{self.folder}/{stem}.png"
        audio.write(self.page / sound, limited(samples), self.rate, format="FLAC")
        spectrogram(samples, self.rate, self.ceiling, self.page / picture)
        return Clip(label, sound, picture, score)

    def score(self, name: str, source: str | None = None) -> str:
        """A system's score of this mixture in words: of one source, or the mean over sources."""
        rows = self.scores[self.scores["system"] == name]
        rows = rows if source is None else rows[rows["source"] == source]
        value, metric = rows["value"].mean(), metric_of(self.metric)
        if pd.isna(value):
            return ""
        return f"{metric.label} {number(value, metric.digits)} {metric.unit}".rstrip()

    def facts(self) -> str:
        """Length and noise level of the mixture."""
        facts = [f"{number(len(self.mixture) / self.rate, 1)} s"]
        snr = self.row.get("noise_snr")
        if pd.notna(snr):
            facts.append(f"noise at {number(snr, 1)} dB SNR")
        return ", ".join(facts)


def match_level(samples: Samples, reference: Samples) -> Samples:
    """Bring `[time]` to the RMS of its reference; silence stays silence."""
    own, wanted = (np.sqrt(np.mean(np.square(s, dtype=np.float64))) for s in (samples, reference))
    return samples if own == 0 else (samples * (wanted / own)).astype(np.float32)


def limited(samples: Samples) -> Samples:
    """Turn `[time]` down, as a whole, so far that its peak fits a 16-bit file without clipping."""
    peak = float(np.abs(samples).max())
    return samples if peak <= PEAK else (samples * (PEAK / peak)).astype(np.float32)
