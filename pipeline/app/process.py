"""Recordings one after another: each whole or not at all, and one that fails stops no other."""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from pipeline.app.command import FAILED
from pipeline.app.estimates import Estimates, estimating
from pipeline.app.files import Input, check_targets, find, stems
from pipeline.app.networks import Network
from pipeline.app.networks import find as find_network
from pipeline.app.outputs import Coding, Written, write
from pipeline.app.tracks import in_db, in_file
from pipeline.base.errors import PipelineError
from pipeline.base.jobs import cause_of
from pipeline.tasks import TASKS

STANDARD_INPUT = "-"


def process(given: argparse.Namespace) -> int:
    """Run a network over the recordings that a user names.

    Args:
        given: of `pipeline.app.command`.

    Returns:
        0, or 1 where some failed and the rest is done.

    Raises:
        PipelineError: there is no such network, or no such coding.
    """
    network = find_network(TASKS[given.task], given.model)
    coding = Coding(given.format, given.subtype)
    with _named(given.inputs) as (names, spooled):
        found = find(names)
        if found.left_out:
            _tell(f"{found.left_out} files of earlier runs in these folders are left out")
        out = None if given.out is None else Path(given.out)
        inputs = [_beside_nothing(each) if each.path in spooled else each for each in found.inputs]
        facts: list[dict[str, Any]] = [{"error": error} for error in found.errors]
        for error in found.errors:
            _tell(f"error: {error}")
        for each, stem in zip(inputs, stems(inputs, out), strict=True):
            made = _Made.of(stem, network, coding, given)
            facts.append({"input": str(each.path)} | _one(each, made, inputs, network, given))
    if given.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    return FAILED if any("error" in fact for fact in facts) else 0


class _Made(NamedTuple):
    """Files that are made of a recording, how, and that of what is taken away, or None."""

    targets: list[Path]
    noise: Path | None
    coding: Coding

    @classmethod
    def of(cls, stem: Path, network: Network, coding: Coding, given: argparse.Namespace) -> "_Made":
        """Names for a recording."""
        noise = _ending(stem, "noise", coding) if given.noise_file else None
        return cls(_targets(stem, network, coding, given.task), noise, coding)

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [*self.targets, *([self.noise] if self.noise else [])]


def _one(
    each: Input, made: _Made, inputs: list[Input], network: Network, given: argparse.Namespace
) -> dict[str, Any]:
    """Process a recording; its facts, or the error."""
    try:
        check_targets(made.paths, inputs, given.overwrite)
        if given.dry_run:
            facts: dict[str, Any] = {"outputs": [{"path": str(path)} for path in made.paths]}
        else:
            made.targets[0].parent.mkdir(parents=True, exist_ok=True)  # before an hour of work
            recording, options = in_file(each.path), (given.device, given.threads, given.channels)
            with estimating(network, recording, *options, given.stream) as estimates:
                written = write(estimates, made.targets, made.coding, given.wet, made.noise)
            facts = _facts(estimates, written, network)
    except (PipelineError, OSError) as error:
        _tell(f"error: {(line := _line(error))}")
        return {"error": line}
    for note in facts.get("notes", []):
        _tell(f"{each.path}: {note}")
    if not given.json:
        for path in made.paths:
            print(path, flush=True)
    return facts


def _line(error: PipelineError | OSError) -> str:
    if isinstance(error, PipelineError):
        return str(error)
    if cause := cause_of(error):
        return cause
    return f"{error.filename}: {error.strerror}; choose another folder as -o"


def _targets(stem: Path, network: Network, coding: Coding, task: str) -> list[Path]:
    if not TASKS[task].permuted:
        return [_ending(stem, "denoised", coding)]
    return [_ending(stem, f"speaker-{k}", coding) for k in range(1, network.sources + 1)]


def _ending(stem: Path, what: str, coding: Coding) -> Path:
    return stem.with_name(f"{stem.name}.{what}.{coding.suffix}")


def _facts(estimates: Estimates, written: list[Written], network: Network) -> dict[str, Any]:
    """Facts, levels and times of a recording."""
    measured, header = estimates.tracks.of, estimates.tracks.of.header
    length = measured.samples / header.sample_rate
    return {
        "model": network.name,
        "model_sample_rate": estimates.rate,
        "sample_rate": header.sample_rate,
        "channels": header.channels,
        "samples": measured.samples,
        "format": f"{header.format} {header.subtype}",
        "rms_dbfs": in_db(measured.rms),
        "peak_dbfs": in_db(measured.peak),
        "outputs": [
            {"path": str(each.path), "rms_dbfs": in_db(each.rms), "peak_dbfs": in_db(each.peak)}
            for each in written
        ],
        "scales": estimates.scales,
        "device": estimates.device,
        "seconds": round(estimates.seconds, 3),
        "rtf": round(estimates.seconds / length, 4),
        "notes": list(_notes(estimates, written)),
    }


def _notes(estimates: Estimates, written: list[Written]) -> Iterator[str]:
    """What a user should know of the outputs."""
    tracks, header = estimates.tracks, estimates.tracks.of.header
    if estimates.rate < header.sample_rate:
        band = estimates.rate / 2000
        yield (
            f"the network runs at {estimates.rate} Hz: the outputs hold nothing above {band:g} kHz"
        )
    if tracks.cancelled:
        yield "its channels cancel each other in their mean, so each was processed by itself"
    if header.tracks > 1:
        yield f"has {header.tracks} sound tracks; the first was processed"
    for each in written:
        if each.clipped:
            yield (
                f"{each.clipped} values of {each.path.name} are beyond full scale and were clipped;"
                " --subtype FLOAT keeps them"
            )


def _beside_nothing(each: Input) -> Input:
    """Standard input, whose outputs go to the working folder."""
    return replace(each, beside=Path.cwd())


@contextmanager
def _named(inputs: list[str]) -> Iterator[tuple[list[str], list[Path]]]:
    """The names, that of standard input replaced by a file, since it is read twice; this file.

    Raises:
        PipelineError: there is nothing on standard input.
    """
    if STANDARD_INPUT not in inputs:
        yield inputs, []
        return
    with TemporaryDirectory(prefix="dts-") as folder:
        path = Path(folder) / "stdin.wav"
        with path.open("wb") as file:
            if sys.stdin is not None:
                shutil.copyfileobj(sys.stdin.buffer, file)
        if not path.stat().st_size:
            raise PipelineError("standard input: is empty; give a recording")
        yield [str(path) if name == STANDARD_INPUT else name for name in inputs], [path]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
