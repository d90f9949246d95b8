"""Receipts: what every job made, of what and how large, so that damage done since is found.

A job keeps its receipt beside its log: its inputs, and output to size in bytes, for a folder that
of each CSV inside, and null as long as it is not finished. How long a WAV is stands in its CSV.
"""

import shutil
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import NamedTuple

from pipeline.files import read_json, write_json

SUFFIX = ".outputs.json"
RESULTS = "results/"  # where all outputs are
DAMAGED = -1  # in place of a size

Sizes = int | dict[str, int] | None


class Receipt(NamedTuple):
    """What one job made, or is making, of what."""

    path: Path
    inputs: list[str]
    outputs: dict[str, Sizes]

    def write(self) -> None:
        """Write it atomically."""
        write_json(self.path, {"inputs": self.inputs, "outputs": self.outputs})


class Damage(NamedTuple):
    """An output that is not to be trusted, and why."""

    output: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.output}: {self.reason}"


def open_receipt(log: Path | str, inputs: Iterable[str], outputs: Iterable[str]) -> Receipt:
    """Note that a job has begun, and clear away what a killed one left."""
    receipt = Receipt(Path(log).with_suffix(SUFFIX), list(inputs), dict.fromkeys(outputs))
    for output in map(Path, receipt.outputs):
        for part in output.parent.glob(f".{escape(output.name)}.*.part"):
            part.unlink(missing_ok=True)
    receipt.write()
    return receipt


def close_receipt(receipt: Receipt) -> None:
    """Note the sizes of what a job has made."""
    made = {output: _sizes(Path(output)) for output in receipt.outputs}
    receipt._replace(outputs=made).write()


def find_damages(logs: Path, among: Iterable[str] | None = None) -> list[Damage]:
    """Outputs that are there and unfinished, or smaller than they were made.

    Args:
        logs: folder of the logs and receipts of all jobs.
        among: outputs to look at, all unless given.
    """
    asked = None if among is None else set(among)
    return [
        Damage(Path(output), reason)
        for receipt in _receipts(logs)
        for output, size in receipt.outputs.items()
        if (asked is None or output in asked) and (reason := _fault(Path(output), size))
    ]


def find_stale(logs: Path, damages: Iterable[Damage]) -> list[Path]:
    """Outputs that are there and are to be made again because of others.

    What was made, by however many steps, of what a job did not finish: Snakemake removes that
    before the job, and asks for what is missing only where something newer is to be made of it, so
    it would take for new what older jobs made of the one before. And what joins damaged folders,
    for they are asked for through it alone.
    """
    receipts = list(_receipts(logs))
    folders = {str(damage.output) for damage in damages if damage.output.is_dir()}
    again = set().union(*map(_unfinished, receipts))
    begun = again | folders
    while found := _made_of(again, receipts) - again:
        again |= found
    stale = again | _made_of(folders, receipts)
    return sorted(path for path in map(Path, stale - begun) if path.exists())


def _made_of(inputs: set[str], receipts: list[Receipt]) -> set[str]:
    using = (receipt for receipt in receipts if not inputs.isdisjoint(receipt.inputs))
    return {output for receipt in using for output in receipt.outputs}


def distrust(logs: Path, message: str) -> Path | None:
    """Note as damaged the folder of ours that `message` begins with a file of, if it does.

    The next run makes it again; other jobs of this one may still be reading it.
    """
    for receipt in _receipts(logs):
        for output in receipt.outputs:
            if Path(output).is_dir() and message.startswith(f"{Path(output).resolve()}/"):
                receipt._replace(outputs=receipt.outputs | {output: DAMAGED}).write()
                return Path(output)
    return None


def discard(output: Path) -> None:
    """Remove an output, a file or a folder."""
    if output.is_dir():
        shutil.rmtree(output, ignore_errors=True)
    output.unlink(missing_ok=True)


def _receipts(logs: Path) -> Iterator[Receipt]:
    for path in sorted(logs.rglob(f"*{SUFFIX}")):
        try:
            receipt = Receipt(path, **read_json(path))
            typed = isinstance(receipt.inputs, list) and isinstance(receipt.outputs, dict)
            if typed and all(map(_is_ours, receipt.outputs)):
                yield receipt
        except (OSError, ValueError, TypeError):
            continue  # of a job that has just begun again, torn, or none of ours


def _is_ours(output: str) -> bool:
    """Whether a name is of what a job makes; others are never removed."""
    return output.startswith(RESULTS) and ".." not in Path(output).parts


def _unfinished(receipt: Receipt) -> set[str]:
    """Outputs of a job that had begun, or was about to: with them Snakemake removes its log."""
    log = receipt.path.with_name(receipt.path.name.removesuffix(SUFFIX) + ".log")
    return {
        name
        for name, size in receipt.outputs.items()
        if size is None or not (log.exists() or Path(name).exists())
    }


def _sizes(output: Path) -> Sizes:
    if output.is_dir():
        tables = sorted(output.rglob("*.csv"))
        return {str(path.relative_to(output)): path.stat().st_size for path in tables}
    return output.stat().st_size


def _fault(output: Path, made: Sizes) -> str | None:
    if not output.exists():
        return None  # Snakemake sees that by itself
    if made is None:
        return "was left unfinished"
    if made == DAMAGED:
        return "was found damaged"
    for name, size in made.items() if isinstance(made, dict) else [("", made)]:
        path = output / name
        held = path.stat().st_size if path.exists() else 0
        if held < size:
            return f"{held} of {size} bytes{f' of {name}' if name else ''} are there"
    return None
