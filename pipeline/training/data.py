"""Inputs and targets of a training, from a rendered set of mixtures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, Sampler

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest
from pipeline.mixtures.conditions import condition_paths
from pipeline.mixtures.names import source_names
from pipeline.tasks import Task


@dataclass(frozen=True)
class Examples:
    """A table with `mixture_id`, `input_path`, `noisy_path`, `target_<k>_path` and `length`.

    The column `digest` is that of all signals of a mixture and of its denoised version, if it has
    one. The other columns are numbers that the manifest knows of each mixture. Targets of speakers
    that a mixture lacks are empty.
    """

    table: pd.DataFrame
    num_sources: int
    sample_rate: int

    @property
    def targets(self) -> list[str]:
        """Columns of the target files."""
        return [f"target_{k}_path" for k in range(1, self.num_sources + 1)]

    @property
    def speaker_counts(self) -> list[int]:
        """The numbers of targets that mixtures have, in ascending order."""
        return sorted(self.table[self.targets].notna().sum(axis=1).unique().tolist())

    @property
    def seconds(self) -> float:
        """How long all mixtures last together."""
        return float(self.table["length"].sum() / self.sample_rate)

    def content(self) -> Iterator[bytes]:
        """What a training reads, for a fingerprint, wherever the files lie.

        All numbers, and the digests of all files as they were written.
        """
        numbers = self.table.select_dtypes("number")
        yield numbers.assign(**self.table[["mixture_id", "digest"]]).to_csv(index=False).encode()


def examples(
    task: Task, mixtures: Path, condition: str, denoised: Path | None, sample_rate: int
) -> Examples:
    """The mixture of a condition as the input, the signals of a task as targets.

    Raises:
        PipelineError: the denoised set lacks a mixture, or a manifest has no digests.
    """
    table = _read(mixtures)
    names = task.targets(len(source_names(table)))
    chosen = _described(table).assign(
        input_path=condition_paths(table, condition, denoised),
        noisy_path=table["mix_both_path"],
        **{f"target_{k}_path": table[f"{name}_path"] for k, name in enumerate(names, 1)},
    )
    if denoised is not None:
        digests = _read(denoised).set_index("mixture_id")["digest"]
        chosen["digest"] += table["mixture_id"].map(digests)
    return Examples(chosen, len(names), sample_rate)


def _read(manifest: Path) -> pd.DataFrame:
    """A manifest of files that were written with their digests.

    Raises:
        PipelineError: it has none, as those of earlier versions.
    """
    table = read_manifest(manifest)
    if "digest" not in table:
        raise PipelineError(
            f"{manifest}: lacks the column digest; delete the folder {manifest.parent} and run the"
            " same command again"
        )
    return table


def _described(table: pd.DataFrame) -> pd.DataFrame:
    return table.select_dtypes("number").assign(**table[["mixture_id", "digest"]])


class Segments(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Pieces of fixed length: input `[time]`, targets `[sources, time]`.

    A recording gives as many pieces as cover it; the last is taken from its end, and one
    shorter than a piece is padded with zeros. The target of a speaker that it lacks is zero.
    """

    def __init__(self, examples: Examples, seconds: float) -> None:
        self.examples = examples
        self.samples = round(seconds * examples.sample_rate)
        self.pieces = [
            (row, start)
            for row, length in enumerate(examples.table["length"])
            for start in segment_starts(int(length), self.samples)
        ]
        self.rows = examples.table.to_dict("records")

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        number, start = self.pieces[index]
        row = self.rows[number]
        samples = min(self.samples, int(row["length"]) - start)
        paths = [row["input_path"], *(row[column] for column in self.examples.targets)]
        rate = self.examples.sample_rate
        signals = np.zeros((len(paths), self.samples), np.float32)
        for signal, path in zip(signals, paths, strict=True):
            signal[:samples] = _read_or_zero(path, rate, start, samples)
        return torch.from_numpy(signals[0]), torch.from_numpy(signals[1:])


def _read_or_zero(path: Any, rate: int, start: int, samples: int) -> audio.Samples:
    """The samples of a file; zeros where a mixture has no such source, and so an empty cell."""
    if not isinstance(path, str):
        return np.zeros(samples, np.float32)
    return audio.read_at(path, rate, start, samples)


class Recordings(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Whole recordings: input `[time]`, targets `[sources, time]`, noisy mixture `[time]`."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self.rows = examples.table.to_dict("records")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        row = self.rows[index]
        columns = ["input_path", *self.examples.targets, "noisy_path"]
        rate, samples = self.examples.sample_rate, int(row["length"])
        signals = [_read_or_zero(row[c], rate, 0, samples) for c in columns]
        stacked = torch.from_numpy(np.stack(signals))
        return stacked[0], stacked[1:-1], stacked[-1]


class Share(NamedTuple):
    """The part of every batch that one of several devices is given."""

    rank: int = 0
    ranks: int = 1


WHOLE = Share()


class EpochSampler(Sampler[Any]):
    """Order of the items: a permutation drawn from (seed, epoch) alone.

    A resumed training gives the `epoch` it is in and the `first` item it has not seen. Of several
    devices each is given every so-manieth item, so that together they have the batches of one; for
    all to have as many, the last items of an epoch are made up with its first ones.
    """

    def __init__(
        self, size: int, seed: int, epoch: int = 0, first: int = 0, share: Share = WHOLE
    ) -> None:
        self.size, self.seed, self.epoch, self.first, self.share = size, seed, epoch, first, share

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning as an epoch begins."""
        self.epoch = epoch

    def order(self) -> list[Any]:
        """All items of the epoch."""
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist()

    def __len__(self) -> int:
        return -(-self.size // self.share.ranks)

    def __iter__(self) -> Iterator[Any]:
        first, self.first = self.first, 0
        order, (rank, ranks) = self.order(), self.share
        for place in range(first + rank, len(self) * ranks, ranks):
            yield order[place % self.size]


def segment_starts(length: int, samples: int) -> list[int]:
    """First samples of the pieces that cover a recording, the last one flush with its end."""
    if length <= samples:
        return [0]
    return [*range(0, length - samples, samples), length - samples]
