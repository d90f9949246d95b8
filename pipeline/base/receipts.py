"""Receipts: what every job made, of what, how large and with what content.

A job keeps its receipt beside its log. It lists the inputs with their digests, and each output with
its size in bytes (for a folder, that of each CSV inside) and its digest, or null while it is not
finished. The length and the digest of a WAV stand in its CSV.
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
RESULTS = "results/"  # where all outputs are
TIMESTAMP = ".snakemake_timestamp"  # by which Snakemake dates a folder
STEP = 0.01  # seconds between two files whose order is kept and whose times are not
AHEAD = 60  # seconds by which the clocks of two machines may differ
DAMAGED = -1  # in place of a size


class Made(TypedDict):
    """What is known of a finished output; `size` of a folder is by the names of its CSVs."""

    size: int | dict[str, int]
    digest: str


class Receipt(NamedTuple):
    """What one job made, or is making, and the digest of each input where a job of ours made it.

    `closed` is the time at which the job ended, in seconds of the epoch.
    """

    path: Path
    inputs: dict[str, str | None]
    outputs: dict[str, Made | None]
    closed: float | None = None

    def write(self) -> None:
        """Write it atomically."""
        content = self._asdict()
        del content["path"]
        write_json(self.path, content)


class Damage(NamedTuple):
    """An output that is not to be trusted, and why."""

    output: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.output}: {self.reason}"


def read_receipts(logs: Path) -> list[Receipt]:
    """Read the receipts of all jobs; what is none of ours, or torn, is left out.

    Args:
        logs: folder of the logs and receipts.
    """
    return list(_receipts(logs))


def open_receipt(
    log: Path | str, inputs: Iterable[str], outputs: Iterable[str], receipts: list[Receipt]
) -> Receipt:
    """Note that a job has begun, and clear away what a killed one left.

    Args:
        log: of the job.
        inputs: of the job; their digests are looked up among the `receipts` of all jobs.
        outputs: of the job.
        receipts: of all jobs.
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
    """Note the sizes and digests of what a job has made."""
    made: dict[str, Made | None] = {output: _made(Path(output)) for output in receipt.outputs}
    receipt._replace(outputs=made, closed=time.time()).write()


def find_damages(receipts: list[Receipt], among: Iterable[str] | None = None) -> list[Damage]:
    """Outputs that are there and unfinished, or smaller than they were made.

    Args:
        receipts: of all jobs.
        among: outputs to look at, all unless given.
    """
    asked = None if among is None else set(among)
    return [
        Damage(Path(output), reason)
        for receipt in receipts
        for output, made in receipt.outputs.items()
        if (asked is None or output in asked) and (reason := _fault(Path(output), made))
    ]


def find_stale(receipts: list[Receipt], damages: Iterable[Damage]) -> list[Path]:
    """Outputs that are there and are to be made again because of others.

    That is what was made, by however many steps, of an output that a job did not finish or that has
    another content today: Snakemake removes an output before its job and when its job fails, and
    asks for a missing one only where something is to be made of it, so it would take for new what
    older jobs made of the one before. It is also what joins damaged folders, for they are asked for
    through it alone.
    """
    folders = {str(damage.output) for damage in damages if damage.output.is_dir()}
    unfinished = set[str]().union(*map(_unfinished, receipts))
    again = unfinished | _outdated(receipts)
    while found := _made_of(again, receipts) - again:
        again |= found
    stale = again | _made_of(folders, receipts)
    return sorted(path for path in map(Path, stale - unfinished - folders) if path.exists())


def distrust(receipts: list[Receipt], message: str) -> Path | None:
    """Note as damaged the folder of ours that `message` begins with a file of, if it does.

    The next run makes it again; other jobs of this one may still be reading it.
    """
    for receipt in receipts:
        for output, made in receipt.outputs.items():
            if Path(output).is_dir() and message.startswith(f"{Path(output).resolve()}/"):
                damaged = Made(size=DAMAGED, digest=made["digest"] if made else "")
                receipt._replace(outputs=receipt.outputs | {output: damaged}).write()
                return Path(output)
    return None


def of_the_future(receipts: list[Receipt]) -> list[Path]:
    """Outputs, and Snakemake's marks of time in folders, that were dated by a clock ahead."""
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
    """Let the youngest of some files be of now, and the others older in their order."""
    now, times = time.time(), sorted({path.stat().st_mtime for path in paths}, reverse=True)
    for path in paths:
        dated = now - STEP * times.index(path.stat().st_mtime)
        os.utime(path, (dated, dated))


def is_inside(output: Path) -> bool:
    """Whether an output lies in the results folder, links followed; others are never removed."""
    return output.parent.resolve().is_relative_to(Path(RESULTS).resolve())


def discard(output: Path) -> None:
    """Remove an output, a file or a folder; of a link, the link alone.

    Raises:
        OSError: it cannot be removed, so that Snakemake would take it as it is.
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
            continue  # of a job that has just begun again, torn, or none of ours


def _is_ours(output: tuple[str, Made | None]) -> bool:
    """Whether a name is of what a job makes; others are never removed."""
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
    """Outputs of a job that had begun, or was about to: with them Snakemake removes its log."""
    log = receipt.path.with_name(receipt.path.name.removesuffix(SUFFIX) + ".log")
    return {
        name
        for name, made in receipt.outputs.items()
        if made is None or not (log.exists() or Path(name).exists())
    }


def _outdated(receipts: list[Receipt]) -> set[str]:
    """Outputs made of another content of an input than its job made last.

    Not where Snakemake sees that by itself, which compares the times of files.
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
    """Sizes and digest of a file, or of a folder by its CSVs and the sizes of its other files."""
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
        return None  # Snakemake sees that by itself
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
