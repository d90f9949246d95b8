"""Receipts: what every job made and how large, so that damage done afterwards is found.

A job keeps its receipt beside its log: output to size in bytes, for a folder that of each CSV
inside, and null as long as it is not finished. The length of a WAV stands in such a CSV.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import NamedTuple

from pipeline.files import read_json, write_json

SUFFIX = ".outputs.json"
SHARD = re.compile(r"\d+-of-\d+")

Sizes = int | dict[str, int] | None


class Damage(NamedTuple):
    """An output that is not to be trusted, and why."""

    output: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.output}: {self.reason}"


def open_receipt(log: Path | str, outputs: Iterable[str]) -> Path:
    """Note that a job has begun and clear away what a killed one left; return its receipt."""
    for output in map(Path, outputs):
        for part in output.parent.glob(f".{escape(output.name)}.*.part"):
            part.unlink(missing_ok=True)
    receipt = Path(log).with_suffix(SUFFIX)
    write_json(receipt, dict.fromkeys(outputs))
    return receipt


def close_receipt(receipt: Path) -> None:
    """Note the sizes of what a job has made."""
    write_json(receipt, {output: _sizes(Path(output)) for output in read_json(receipt)})


def find_damages(logs: Path, among: Iterable[str] | None = None) -> list[Damage]:
    """Outputs that are there and unfinished, or smaller than they were made.

    Args:
        logs: folder of the logs and receipts of all jobs.
        among: outputs to look at, all unless given.
    """
    asked = None if among is None else set(among)
    return [
        Damage(Path(output), reason)
        for _, sizes in _receipts(logs)
        for output, size in sizes.items()
        if (asked is None or output in asked) and (reason := _fault(Path(output), size))
    ]


def distrust(logs: Path, message: str) -> Path | None:
    """Note as unfinished the folder of ours that `message` begins with a file of, if it does.

    The next run makes it again; other jobs of this one may still be reading it.
    """
    for receipt, sizes in _receipts(logs):
        for output in sizes:
            if Path(output).is_dir() and message.startswith(f"{Path(output).resolve()}/"):
                write_json(receipt, sizes | {output: None})
                return Path(output)
    return None


def discard(output: Path) -> None:
    """Remove an output; with a shard of a loop also the manifests that joined it."""
    if output.is_dir():
        shutil.rmtree(output, ignore_errors=True)
    output.unlink(missing_ok=True)
    for joined in _joined(output):
        joined.unlink()


def _joined(output: Path) -> list[Path]:
    """Manifests that joined a shard with others, as far as they are there."""
    if not SHARD.fullmatch(output.name):
        return []
    whole = output.parent
    beside = whole.with_name(f"{whole.name}.csv")
    return [*whole.glob("*.csv"), *([beside] if beside.exists() else [])]


def _receipts(logs: Path) -> Iterator[tuple[Path, dict[str, Sizes]]]:
    for receipt in sorted(logs.rglob(f"*{SUFFIX}")):
        try:
            yield receipt, read_json(receipt)
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            continue  # of a job that has just begun again, or itself torn


def _sizes(output: Path) -> Sizes:
    if output.is_dir():
        return {path.name: path.stat().st_size for path in output.glob("*.csv")}
    return output.stat().st_size


def _fault(output: Path, made: Sizes) -> str | None:
    if made is None and (output.exists() or _joined(output)):
        return "was left unfinished or found damaged"
    if made is None or not output.exists():
        return None  # Snakemake sees that by itself
    for name, size in made.items() if isinstance(made, dict) else [("", made)]:
        path = output / name
        held = path.stat().st_size if path.exists() else 0
        if held < size:
            return f"{held} of {size} bytes{f' of {name}' if name else ''} are there"
    return None
