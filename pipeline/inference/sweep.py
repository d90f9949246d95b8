"""SI-SDRi of a denoiser, or of a network behind it, for several shares of the mixture added back.

The denoised mixtures are there already: they are blended, and the network behind them runs again.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from pipeline import audio
from pipeline.base.files import read_manifest, shard_of, write_manifest
from pipeline.evaluation.metrics import permutation, si_sdr
from pipeline.inference.apply import Setting, apply, load_model
from pipeline.inference.chunks import Recording
from pipeline.inference.estimator import Estimator
from pipeline.mixtures.conditions import condition_paths
from pipeline.mixtures.names import present, source_names
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import SYSTEM, System

SHARES = tuple(k / 10 for k in range(11))
"""Shares a of the mixture y in (1 − a) ŝ + a y, with ŝ the output of a denoiser."""

COLUMNS = ["mixture_id", *SYSTEM, "source", "dry", "si_sdri"]

Row = dict[str, Any]
Estimates = Iterator[audio.Samples]
"""Of one mixture after another, each `[sources, time]`."""


def sweep_shard(
    system: System,
    mixtures: Path,
    denoised: Path,
    weights: Path | None,
    out: Path,
    scatteritem: str,
    setting: Setting,
) -> None:
    """Write the SI-SDRi of every mixture of a shard, source and share: the columns `COLUMNS`.

    Values are those of the evaluation; they are empty where an estimate or its source is silent.

    Args:
        system: a denoiser, or a network with its output as input.
        mixtures: `mixtures.csv` of the split.
        denoised: `estimates.csv` of the denoiser, with nothing added back.
        weights: of the network behind the denoiser; None for the denoiser itself.
        out: the table to write.
        scatteritem: the shard, `"k-of-n"`.
        setting: how the network runs.

    Raises:
        PipelineError: the denoised set lacks a mixture, the weights do not fit, a file cannot be
            read, or the network returns NaN.
    """
    table, task, rate = read_manifest(mixtures), TASKS[system.model.task], setting.sample_rate
    names = task.targets(len(source_names(table)))
    shard = shard_of(table, scatteritem)
    shard = shard.assign(denoised=condition_paths(shard, "denoised", denoised))
    rows = cast(list[Row], shard.to_dict("records"))
    run: Callable[[list[Row], float], Estimates] = partial(_blended, rate)
    if weights:
        run = partial(_behind, load_model(weights, len(names), setting), names, setting)
    found = [
        (row["mixture_id"], *system.columns.values(), name, share, value)
        for share in tqdm(SHARES, f"shares of {system.path}", disable=None)
        for row, estimates in zip(rows, run(rows, share), strict=True)
        for name, value in _si_sdri(row, names, estimates, task.permuted, rate).items()
    ]
    write_manifest(out, pd.DataFrame(found, columns=COLUMNS))


def _blended(sample_rate: int, rows: list[Row], share: float) -> Estimates:
    """The output of the denoiser, a share of the mixture added."""
    for row in rows:
        denoised, mixture = (
            torch.from_numpy(audio.read_at(row[name], sample_rate))
            for name in ("denoised", "mix_both_path")
        )
        yield denoised.lerp(mixture, share)[None].numpy()


def _behind(
    model: Estimator, names: list[str], setting: Setting, rows: list[Row], share: float
) -> Estimates:
    """The output of a network for it."""
    with TemporaryDirectory() as folder:
        recordings = []
        for row, [samples] in zip(rows, _blended(setting.sample_rate, rows, share), strict=True):
            path, *targets = (
                Path(folder, name, f"{row['mixture_id']}.wav") for name in ("mix", *names)
            )
            with audio.writing(path, len(samples), setting.sample_rate) as write:
                write(samples)
            recording = Recording(row["mixture_id"], str(path), len(samples), tuple(targets))
            recordings.append(recording)
        apply(model, recordings, setting)
        for recording in recordings:
            yield np.stack([audio.read_at(p, setting.sample_rate) for p in recording.targets])


def _si_sdri(
    row: Row, names: list[str], estimates: audio.Samples, permuted: bool, sample_rate: int
) -> dict[str, float]:
    """SI-SDR of estimates `[sources, time]`, in their best order, less that of the mixture.

    Of sources that the mixture lacks there is no value; each of the others has an output.
    """
    names = present(row, names)
    read = (audio.read_at(row[f"{name}_path"], sample_rate) for name in (*names, "mix_both"))
    *targets, mixture = (samples.astype(np.float64) for samples in read)
    sources, found = np.stack(targets), estimates.astype(np.float64)
    if permuted:
        found = found[permutation(sources, found)]
    before = si_sdr(sources, np.broadcast_to(mixture, sources.shape))
    return dict(zip(names, (si_sdr(sources, found) - before).tolist(), strict=True))
