"""Inputs and targets of a training, from mixtures that are drawn during it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline.config import SPLITS, Mixtures, Training
from pipeline.mixtures.draw import Segment, draw_mixture
from pipeline.mixtures.pool import Pool, load_pool
from pipeline.mixtures.render import render_signals
from pipeline.tasks import Task
from pipeline.training.data import EpochSampler

DRAWS = len(SPLITS)  # in a seed where a plan has the number of its split: other draws than any

Key = tuple[int, int]  # epoch, item of it


@dataclass(frozen=True)
class Fresh:
    """What mixtures are drawn from, and which of their signals are the input and the targets.

    `front` is the weights file of a denoiser that the input goes through first.
    """

    pool: Pool
    settings: Mixtures
    input: str
    targets: tuple[str, ...]
    front: Path | None = None

    @property
    def num_sources(self) -> int:
        """Signals the network returns."""
        return len(self.targets)

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.pool.rate

    def content(self) -> Iterator[bytes]:
        """What is drawn from, for a fingerprint: lengths and levels, not where files lie."""
        for columns in (self.pool.utterances, self.pool.noises):
            yield repr([column for name, column in columns.items() if name != "path"]).encode()
        if self.front:
            yield self.front.read_bytes()


def fresh_mixtures(
    task: Task,
    speech: Path,
    noise: Path,
    settings: Mixtures,
    condition: str,
    front: Path | None,
    sample_rate: int,
) -> Fresh:
    """The mixture of a condition as the input, the signals of a task as targets.

    Drawn from the train split of two corpora's manifests; `front` is the condition's denoiser.

    Raises:
        PipelineError: too few speakers, or no noise left.
    """
    pool = load_pool(speech, noise, "train", settings, sample_rate)
    name = "mix_clean" if condition == "clean" else "mix_both"
    return Fresh(pool, settings, name, tuple(task.targets(settings.num_speakers)), front)


class FreshMixtures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Mixtures of fixed length that no epoch repeats: input `[time]`, targets `[sources, time]`.

    Each is drawn as a plan's are and rendered as they are, but the levels are those of the
    piece, not of a whole mixture that it is cut from. It depends on (seed, epoch, item) alone.
    """

    def __init__(self, fresh: Fresh, training: Training, seed: int) -> None:
        self.fresh, self.seed = fresh, seed
        samples = round(training.segment_seconds * fresh.sample_rate)
        self.segment = Segment(samples, training.speech_speed)

    def __len__(self) -> int:
        """Mixtures of an epoch: as many as are counted, or as fill the hours."""
        counts, hours = self.fresh.settings.counts, self.fresh.settings.hours
        if hours is None:
            return counts.train
        return math.ceil(hours.train * 3600 * self.fresh.sample_rate / self.segment.samples)

    def __getitem__(self, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        fresh, settings = self.fresh, self.fresh.settings
        row = self.draw(key)
        signals = render_signals(row, settings.num_speakers, fresh.sample_rate, settings.peak)
        targets = np.stack([signals[name] for name in fresh.targets])
        return torch.from_numpy(signals[fresh.input]), torch.from_numpy(targets)

    def draw(self, key: Key) -> dict[str, Any]:
        """Row of a plan for one item of an epoch."""
        rng = np.random.default_rng([self.seed, DRAWS, *key])
        return draw_mixture(self.fresh.pool, self.fresh.settings, rng, "train", self.segment)


class FreshSampler(EpochSampler):
    """Keys of an epoch's fresh mixtures, in order: chance is in the mixtures already."""

    def order(self) -> list[Key]:
        """All keys of the epoch."""
        return [(self.epoch, item) for item in range(self.size)]
