"""Receipts: the outputs of every job with their sizes and digests, and the digests of its inputs.

A job keeps its receipt beside its log. The receipt lists the inputs with their digests, and each
output with its size in bytes (for a folder, the size of each CSV inside) and its digest, or null
while the output is not finished. The CSV of a WAV holds the WAV's length and digest.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from pipeline.base.files import read_json, write_json
from pipeline.base.provenance import sha256

SUFFIX = ".outputs.json"
RESULTS = "results/"  # the folder of all outputs
TIMESTAMP = ".snakemake_timestamp"  # the file from which Snakemake takes the time of a folder
STEP = 0.01  # seconds between two files whose order is kept but whose times are not
AHEAD = 60  # seconds by which the clocks of two machines may differ
DAMAGED = -1  # instead of a size


class Made(TypedDict):
    """Facts of a finished output; the `size` of a folder is given for each CSV by name."""

    size: int | dict[str, int]
    digest: str


class Receipt(NamedTuple):
    """The outputs of one job, finished or not, and the digests of inputs that other jobs made.

    `closed` is the time at which the job ended, in seconds of the epoch.
    """

    path: Path
    inputs: dict[str, str | None]
    outputs: dict[str, Made | None]
    closed: float | None = None

    def write(self) -> None:
        """Write the receipt atomically."""
        content = self._asdict()
        del content["path"]
        write_json(self.path, content)


class Damage(NamedTuple):
    """An output that cannot be trusted, and the reason."""

    output: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.output}: {self.reason}"


def read_receipts(logs: Path) -> list[Receipt]:
    """Read the receipts of all jobs; files that are incomplete or not receipts are left out.

    Args:
        logs: folder of the logs and receipts.
    """
    return list(_receipts(logs))


def open_receipt(
    log: Path | str, inputs: Iterable[str], outputs: Iterable[str], receipts: list[Receipt]
) -> Receipt:
    """Record that a job has begun, and remove what a killed job left behind.

    Args:
        log: the log of the job.
        inputs: inputs of the job; their digests are looked up in the `receipts` of all jobs.
        outputs: outputs of the job.
        receipts: the receipts of all jobs.
    """
    digests = _digests(receipts)
    given = {name: digests.get(name) for name in inputs}
    receipt = Receipt(Path(log).with_suffix(SUFFIX), given, dict.fromkeys(outputs))
    for output in map(Path, receipt.outputs):
        for part in output.parent.glob(f".{escape(output.name)}.*.part"):
            part.unlink(missing_ok=True)
    receipt.write()
    return receipt


def close_receipt(receipt: Receipt) -> None:
    """Record the sizes and digests of the outputs of a job."""
    made: dict[str, Made | None] = {output: _made(Path(output)) for output in receipt.outputs}
    receipt._replace(outputs=made, closed=time.time()).write()


def find_damages(receipts: list[Receipt], among: Iterable[str] | None = None) -> list[Damage]:
    """Return the outputs that exist and are unfinished, or smaller than when they were made.

    Args:
        receipts: the receipts of all jobs.
        among: outputs to check; all if not given.
    """
    asked = None if among is None else set(among)
    return [
        Damage(Path(output), reason)
        for receipt in receipts
        for output, made in receipt.outputs.items()
        if (asked is None or output in asked) and (reason := _fault(Path(output), made))
    ]


def find_stale(receipts: list[Receipt], damages: Iterable[Damage]) -> list[Path]:
    """Return the outputs that exist and must be rebuilt because of others.

    These are outputs made, in any number of steps, from an output that a job did not finish or that
    has another content today: Snakemake removes an output before its job and when its job fails,
    and rebuilds a missing one only where another output needs it, so it would accept outputs of
    older jobs that used the earlier content. Outputs that join damaged folders are stale, too,
    because the folders are requested only through them.
    """
    folders = {str(damage.output) for damage in damages if damage.output.is_dir()}
    unfinished = set[str]().union(*map(_unfinished, receipts))
    again = unfinished | _outdated(receipts)
    while found := _made_of(again, receipts) - again:
        again |= found
    stale = again | _made_of(folders, receipts)
    return sorted(path for path in map(Path, stale - unfinished - folders) if path.exists())


def distrust(receipts: list[Receipt], message: str) -> Path | None:
    """If `message` begins with a file in one of our folders, record that folder as damaged.

    The next run rebuilds the folder; other jobs of this run may still be reading it.
    """
    for receipt in receipts:
        for output, made in receipt.outputs.items():
            if Path(output).is_dir() and message.startswith(f"{Path(output).resolve()}/"):
                damaged = Made(size=DAMAGED, digest=made["digest"] if made else "")
                receipt._replace(outputs=receipt.outputs | {output: damaged}).write()
                return Path(output)
    return None


def of_the_future(receipts: list[Receipt]) -> list[Path]:
    """Return outputs, and Snakemake's time stamps in folders, that a fast clock dated."""
    now = time.time() + AHEAD
    dated = (
        path
        for receipt in receipts
        for output in receipt.outputs
        for path in (Path(output), Path(output, TIMESTAMP))
    )
    found = [path for path in dict.fromkeys(dated) if path.exists()]
    ahead = [path for path in found if path.stat().st_mtime > now - AHEAD]
    return ahead if any(path.stat().st_mtime > now for path in ahead) else []


def set_back(paths: list[Path]) -> None:
    """Set the time of the youngest file to now, and keep the order of the older ones."""
    now, times = time.time(), sorted({path.stat().st_mtime for path in paths}, reverse=True)
    for path in paths:
        dated = now - STEP * times.index(path.stat().st_mtime)
        os.utime(path, (dated, dated))


def is_inside(output: Path) -> bool:
    """Return whether an output lies in the results folder, links followed; others stay."""
    return output.parent.resolve().is_relative_to(Path(RESULTS).resolve())


def discard(output: Path) -> None:
    """Remove an output, a file or a folder; of a link, only the link itself.

    Raises:
        OSError: the output cannot be removed, so Snakemake would take it as it is.
    """
    if output.is_dir() and not output.is_symlink():
        shutil.rmtree(output)
    else:
        output.unlink(missing_ok=True)


def _receipts(logs: Path) -> Iterator[Receipt]:
    for path in sorted(logs.rglob(f"*{SUFFIX}")):
        try:
            receipt = Receipt(path, **read_json(path))
            typed = isinstance(receipt.inputs, dict) and isinstance(receipt.closed, float | None)
            if typed and all(map(_is_ours, receipt.outputs.items())):
                yield receipt
        except (OSError, ValueError, TypeError, AttributeError):
            continue  # of a job that has just begun again, incomplete, or not a receipt


def _is_ours(output: tuple[str, Made | None]) -> bool:
    """Whether a path is an output of a job; other files are never removed."""
    name, made = output
    known = made is None or (made.keys() == Made.__annotations__.keys() and _is_size(made["size"]))
    return known and name.startswith(RESULTS) and ".." not in Path(name).parts


def _is_size(size: Any) -> bool:
    sizes = size.values() if isinstance(size, dict) else [size]
    return all(isinstance(one, int) for one in sizes)


def _digests(receipts: list[Receipt]) -> dict[str, str]:
    """Digests of all finished outputs."""
    return {
        output: made["digest"]
        for receipt in receipts
        for output, made in receipt.outputs.items()
        if made
    }


def _made_of(inputs: set[str], receipts: list[Receipt]) -> set[str]:
    using = (receipt for receipt in receipts if not inputs.isdisjoint(receipt.inputs))
    return {output for receipt in using for output in receipt.outputs}


def _unfinished(receipt: Receipt) -> set[str]:
    """Outputs of a job that had begun, or was about to; Snakemake removes its log with them."""
    log = receipt.path.with_name(receipt.path.name.removesuffix(SUFFIX) + ".log")
    return {
        name
        for name, made in receipt.outputs.items()
        if made is None or not (log.exists() or Path(name).exists())
    }


def _outdated(receipts: list[Receipt]) -> set[str]:
    """Outputs made from an input whose content differs from that of its last job.

    Cases that Snakemake detects itself, because it compares file times, are left out.
    """
    digests = _digests(receipts)
    return {
        output
        for receipt in receipts
        for given, digest in receipt.inputs.items()
        if digest is not None and digests.get(given, digest) != digest
        for output in receipt.outputs
        if not _is_newer(Path(given), Path(output))
    }


def _is_newer(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.stat().st_mtime > other.stat().st_mtime


def _made(output: Path) -> Made:
    """Sizes and digest of a file; of a folder, from its CSVs and the sizes of its other files."""
    if not output.is_dir():
        return Made(size=output.stat().st_size, digest=sha256(output))
    files = {str(path.relative_to(output)): path for path in output.rglob("*") if path.is_file()}
    tables = {name: path for name, path in sorted(files.items()) if path.suffix == ".csv"}
    content = {name: path.stat().st_size for name, path in files.items()}
    sums = {name: sha256(path) for name, path in tables.items()}
    digest = hashlib.sha256(repr(sorted((content | sums).items())).encode())
    sizes = {name: content[name] for name in tables}
    return Made(size=sizes, digest=digest.hexdigest())


def _fault(output: Path, made: Made | None) -> str | None:
    if not output.exists():
        return None  # Snakemake detects that itself
    if made is None:
        return "was left unfinished"
    size = made["size"]
    if size == DAMAGED:
        return "was found damaged"
    for name, expected in size.items() if isinstance(size, dict) else [("", size)]:
        path = output / name
        held = path.stat().st_size if path.exists() else 0
        if held < expected:
            return f"{held} of {expected} bytes{f' of {name}' if name else ''} are there"
    return None
