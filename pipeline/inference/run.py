"""A network over the mixtures of one shard, with tables of its estimates and times."""

from pathlib import Path

import pandas as pd

from pipeline.base.files import digest_of, read_manifest, shard_of, write_manifest
from pipeline.inference.activity import remove_inactive
from pipeline.inference.apply import Applied, Setting, apply, load_model
from pipeline.inference.chunks import Recording
from pipeline.inference.loop import Passed
from pipeline.mixtures.conditions import condition_paths
from pipeline.mixtures.names import source_names
from pipeline.tasks import Task


def infer_shard(
    task: Task,
    mixtures: Path,
    condition: str,
    denoised: Path | None,
    weights: Path,
    out: Path,
    scatteritem: str,
    setting: Setting,
    denoiser: Path | None = None,
) -> None:
    """Run a network over the mixtures of a shard in a condition: `out/<target>/*.wav`.

    With the weights of a `denoiser` each of its estimates is denoised. Beside the WAVs stand
    estimates.csv, throughput.csv and, if the setting is timed, latency.csv. Where mixtures differ
    in their number of speakers, outputs without one have no file and an empty cell, and the column
    `found` has the number of the others.

    Raises:
        PipelineError: the denoised set lacks a mixture, the weights do not fit, a file cannot be
            read, or the network returns NaN.
    """
    table = read_manifest(mixtures)
    names = task.targets(len(source_names(table)))
    inputs = condition_paths(table, condition, denoised)
    shard = shard_of(table, scatteritem)
    targets = {n: [out / n / f"{name}.wav" for name in shard["mixture_id"]] for n in names}
    files = zip(*targets.values(), strict=True)
    rows = zip(shard["mixture_id"], inputs[shard.index], shard["length"], files, strict=True)
    model = load_model(weights, len(names), setting, denoiser)
    applied = apply(model, [Recording(*row) for row in rows], setting, out.name)
    estimates = shard[["mixture_id"]].assign(**{f"{n}_path": p for n, p in targets.items()})
    estimates["digest"] = shard["mixture_id"].map(applied.digests)
    if setting.inactive_below is not None:
        estimates = _without_inactive(estimates, names, setting.sample_rate, setting.inactive_below)
    write_manifest(out / "estimates.csv", estimates)
    _write_times(applied, out, setting)


def _without_inactive(
    estimates: pd.DataFrame, names: list[str], sample_rate: int, below: float
) -> pd.DataFrame:
    """The table of estimates without those that have no speaker, whose files are removed."""
    columns = [f"{name}_path" for name in names]
    rows = []
    for row in estimates.to_dict("records"):
        files = remove_inactive([row[column] for column in columns], sample_rate, below)
        kept = [digest_of(file.read_bytes()) for file in files if file]
        digest = digest_of("".join(kept).encode())
        cells = dict(zip(columns, files, strict=True))
        rows.append(row | cells | {"digest": digest, "found": len(kept)})
    return pd.DataFrame(rows, columns=[*estimates.columns, "found"])


def _write_times(applied: Applied, out: Path, setting: Setting) -> None:
    rate, facts = setting.sample_rate, applied.facts
    if setting.timed:
        where = {name: facts[name] for name in ("device", "threads")}
        write_manifest(out / "latency.csv", _latencies(applied.passed, rate).assign(**where))
    throughput = _throughput(applied.passed, applied.seconds, rate).assign(**facts)
    write_manifest(out / "throughput.csv", throughput)


def _latencies(passed: list[Passed], sample_rate: int) -> pd.DataFrame:
    """A row a recording; the times of one that went in pieces are the sums of theirs."""
    rows = [
        (piece.recording.mixture_id, piece.recording.samples, p.latency, p.read, p.write)
        for p in passed
        for piece in p.pieces
    ]
    table = pd.DataFrame(rows, columns=["mixture_id", "samples", "latency", "read", "write"])
    sums = table.groupby(["mixture_id", "samples"], sort=False).sum().reset_index()
    seconds = sums["samples"] / sample_rate
    return pd.DataFrame(
        {
            "mixture_id": sums["mixture_id"],
            "audio_seconds": seconds.round(4),
            "latency_ms": (1e3 * sums["latency"]).round(3),
            "rtf": (sums["latency"] / seconds).round(6),
            "read_ms": (1e3 * sums["read"]).round(3),
            "write_ms": (1e3 * sums["write"]).round(3),
        }
    )


def _throughput(passed: list[Passed], wall: float, sample_rate: int) -> pd.DataFrame:
    """One row: seconds of audio, of the whole loop, and of these the device's at work."""
    samples = sum(p.recording.samples for one in passed for p in one.pieces if p.last)
    busy = sum(one.busy for one in passed)
    row = {
        "audio_seconds": samples / sample_rate,
        "wall_seconds": round(wall, 4),
        "busy_seconds": round(busy, 4),
    }
    return pd.DataFrame([row])
