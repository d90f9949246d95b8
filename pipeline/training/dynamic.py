"""Inputs and targets of a training from mixtures that are drawn during the training."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline.audio import Samples
from pipeline.config import SPLITS, Mixtures, Training
from pipeline.mixtures.augment import augment
from pipeline.mixtures.draw import Segment, draw_mixture, draw_noise
from pipeline.mixtures.names import mix
from pipeline.mixtures.pool import Pool, load_pool
from pipeline.mixtures.render import capped, read_noise, render_parts
from pipeline.tasks import Task
from pipeline.training.data import EpochSampler

# As the number of the split in a seed; no plan has these draws.
DRAWS = len(SPLITS)
AUGMENTS, SPEAKERS = DRAWS + 1, DRAWS + 2

Key = tuple[int, int]  # epoch, item of the epoch


@dataclass(frozen=True)
class Fresh:
    """The pool of fresh mixtures, and which of their signals are the input and the targets.

    `front` is the weights file of a denoiser that is applied to the input first, and `dry` the
    share of the input that is added to its output.
    """

    pool: Pool
    settings: Mixtures
    input: str
    targets: tuple[str, ...]
    front: Path | None = None
    dry: float = 0.0

    @property
    def num_sources(self) -> int:
        """Number of signals that the network returns."""
        return len(self.targets)

    @property
    def speaker_counts(self) -> list[int]:
        """The numbers of targets that mixtures have, in ascending order."""
        counts = {min(count, self.num_sources) for count in self.settings.speaker_counts}
        return sorted(counts)

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.pool.rate

    def content(self) -> Iterator[bytes]:
        """Yield the contents of the pool for a fingerprint: lengths and levels, but no paths."""
        babble = [self.pool.voices] if self.settings.babble else []
        for columns in (self.pool.utterances, self.pool.noises, *babble):
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
    dry: float = 0.0,
) -> Fresh:
    """Use the mixture of a condition as input, and the signals of a task as targets.

    Mixtures are drawn from the train split of two corpora; `front` is the condition's denoiser, and
    `dry` the share of the mixture that is added to its output.

    Raises:
        PipelineError: there are too few speakers, or no noise is left.
    """
    pool = load_pool(speech, noise, "train", settings, sample_rate)
    name = "mix_clean" if condition == "clean" else "mix_both"
    return Fresh(pool, settings, name, tuple(task.targets(settings.most_speakers)), front, dry)


class FreshMixtures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Mixtures of fixed length, new in every epoch: input `[time]`, targets `[sources, time]`.

    They are drawn and rendered as those of a plan, but the levels are those of the piece, not of a
    whole mixture from which it is cut. A mixture depends on (seed, epoch, item) alone. The target
    of a speaker that it lacks is zero.
    """

    def __init__(self, fresh: Fresh, training: Training, seed: int) -> None:
        self.fresh, self.seed = fresh, seed
        samples = round(training.segment_seconds * fresh.sample_rate)
        self.segment = Segment(samples, training.speech_speed)
        self.augment, self.fewest = training.augment, training.fewest_speakers

    def __len__(self) -> int:
        """Number of mixtures in an epoch: as configured, or as many as fill the hours."""
        counts, hours = self.fresh.settings.counts, self.fresh.settings.hours
        if hours is None:
            return counts.train
        return math.ceil(hours.train * 3600 * self.fresh.sample_rate / self.segment.samples)

    def __getitem__(self, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        fresh, signals = self.fresh, self.signals(key)
        silence = np.zeros(self.segment.samples, np.float32)
        targets = np.stack([signals.get(name, silence) for name in fresh.targets])
        return torch.from_numpy(signals[fresh.input]), torch.from_numpy(targets)

    def signals(self, key: Key) -> dict[str, Samples]:
        """Return all signals of one item of an epoch, by LibriMix's names."""
        settings, rate, row = self._settings(key), self.fresh.sample_rate, self.draw(key)
        sources, noise, _ = render_parts(row, settings.most_speakers, rate)
        if self.augment is not None:
            rng = np.random.default_rng([self.seed, AUGMENTS, *key])
            wanted = row.get("noise_snr")
            taken = {row[f"source_{k}_speaker"] for k in range(1, settings.most_speakers + 1)}
            second = partial(self._noise, taken)
            sources, noise = augment(sources, noise, wanted, second, rate, self.augment, rng)
        return capped(mix([*sources], noise, single=False), settings.peak)[0]

    def _noise(self, taken: set[str], rng: np.random.Generator) -> Samples:
        """Another noise of the length of an item, `[time]`, not of the speakers that are taken."""
        length = self.segment.samples
        row = draw_noise(self.fresh.pool, length, self.fresh.settings, rng, "train", taken)
        return read_noise(row, length, self.fresh.sample_rate)[0]

    def draw(self, key: Key) -> dict[str, Any]:
        """Draw the row of a plan for one item of an epoch."""
        rng = np.random.default_rng([self.seed, DRAWS, *key])
        return draw_mixture(self.fresh.pool, self._settings(key), rng, "train", self.segment)

    def _settings(self, key: Key) -> Mixtures:
        """The settings of one item, with its number of speakers."""
        settings = self.fresh.settings.of_item(key[1])
        if self.fewest is None:
            return settings
        rng = np.random.default_rng([self.seed, SPEAKERS, *key])
        settings = self.fresh.settings
        number = int(rng.integers(self.fewest, settings.most_speakers, endpoint=True))
        return settings.model_copy(update={"num_speakers": number})


class FreshSampler(EpochSampler):
    """Keys of an epoch's fresh mixtures, in order, since the mixtures are random already."""

    def order(self) -> list[Key]:
        """Return all keys of the epoch."""
        return [(self.epoch, item) for item in range(self.size)]
