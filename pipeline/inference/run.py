"""Denoise or separate the mixtures of one shard, and time every one of them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.config import Inference, Machine
from pipeline.devices import describe, open_device
from pipeline.errors import PipelineError
from pipeline.files import read_manifest, shard_of, write_manifest
from pipeline.inference.chunks import estimate
from pipeline.mixtures.names import source_names
from pipeline.models.weights import load_network
from pipeline.training.data import condition_paths


@dataclass(frozen=True)
class Setting:
    """How inference runs: rate in Hz, and two sections of the configuration."""

    sample_rate: int
    machine: Machine
    inference: Inference


def denoise_shard(
    mixtures: Path, weights: Path, out: Path, scatteritem: str, setting: Setting
) -> None:
    """Denoise the noisy mixtures of a shard: `out/denoised/*.wav`, estimates.csv, latency.csv."""
    table = shard_of(read_manifest(mixtures), scatteritem)
    _infer(table, table["mix_both_path"], ["denoised"], weights, out, setting)


def separate_shard(
    mixtures: Path,
    condition: str,
    denoised: Path | None,
    weights: Path,
    out: Path,
    scatteritem: str,
    setting: Setting,
) -> None:
    """Separate the mixtures of a shard in a test condition: `out/s<k>/*.wav` and both CSVs."""
    table = read_manifest(mixtures)
    names, inputs = source_names(table), condition_paths(table, condition, denoised)
    shard = shard_of(table, scatteritem)
    _infer(shard, inputs[shard.index], names, weights, out, setting)


def _infer(
    table: pd.DataFrame,
    inputs: pd.Series,
    names: list[str],
    weights: Path,
    out: Path,
    setting: Setting,
) -> None:
    run, device = _runner(weights, len(names), setting)
    estimates: list[dict[str, Any]] = []
    latencies: list[dict[str, Any]] = []
    items = zip(table["mixture_id"], inputs, table["length"], strict=True)
    for mixture_id, path, samples in tqdm(items, out.name, len(table), disable=None):
        began = time.perf_counter()
        mixture = audio.read_at(path, setting.sample_rate, samples=samples)
        read = time.perf_counter() - began
        if not latencies:
            _warm_up(run, mixture, setting.inference.warmup)
        sources, seconds = _timed(run, mixture)
        if not np.isfinite(sources).all():
            raise PipelineError(
                f"{weights}: gives NaN for {path}; delete it and state/ beside it, train again"
            )
        began = time.perf_counter()
        paths = {f"{name}_path": out / name / f"{mixture_id}.wav" for name in names}
        for target, source in zip(paths.values(), sources, strict=True):
            audio.write(target, source, setting.sample_rate, "FLOAT")
        write = time.perf_counter() - began
        estimates.append({"mixture_id": mixture_id} | paths)
        length = len(mixture) / setting.sample_rate
        latencies.append(_latency(mixture_id, length, seconds, read, write))
    write_manifest(out / "estimates.csv", pd.DataFrame(estimates))
    facts = {"device": device, "threads": setting.machine.threads}
    write_manifest(out / "latency.csv", pd.DataFrame(latencies).assign(**facts))


def _runner(
    weights: Path, num_sources: int, setting: Setting
) -> tuple[Callable[[audio.Samples], audio.Samples], str]:
    """The network as a function of samples, and its device in words.

    The result is copied to host memory, which waits for the device: a call that has
    returned has finished.
    """
    device = open_device(setting.machine)
    network = load_network(weights, num_sources, setting.sample_rate).to(device)
    longest = round(setting.inference.max_seconds * setting.sample_rate)
    overlap = round(setting.inference.overlap_seconds * setting.sample_rate)
    logging.info("running %s on %s", weights, describe(device))
    return lambda mixture: estimate(network, mixture, device, longest, overlap), describe(device)


def _warm_up(run: Callable[[audio.Samples], Any], mixture: audio.Samples, times: int) -> None:
    for _ in range(times):
        run(mixture)


def _timed(
    run: Callable[[audio.Samples], audio.Samples], mixture: audio.Samples
) -> tuple[audio.Samples, float]:
    began = time.perf_counter()
    sources = run(mixture)
    return sources, time.perf_counter() - began


def _latency(
    mixture_id: str, length: float, seconds: float, read: float, write: float
) -> dict[str, Any]:
    return {
        "mixture_id": mixture_id,
        "audio_seconds": round(length, 4),
        "latency_ms": round(1e3 * seconds, 3),
        "rtf": round(seconds / length, 6),
        "read_ms": round(1e3 * read, 3),
        "write_ms": round(1e3 * write, 3),
    }
