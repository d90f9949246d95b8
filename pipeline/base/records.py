"""Snakemake's records of how each output was made, kept inside the results.

Snakemake keeps the rule, parameters and inputs of every output in `.snakemake/`, beside the
results. A results folder that is moved or copied alone would lose them, and Snakemake accepts an
output without a record for any configuration. Therefore the records are kept in
`results/.snakemake/`, and a link in `.snakemake/` leads to them.
"""

import os
import shutil
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.base.receipts import RESULTS, Receipt

KINDS = ("metadata", "incomplete")  # records, and notes of the jobs that have begun
KEPT = Path(RESULTS, ".snakemake")
COPIED_SECONDS = 60  # a receipt this much younger than the job that wrote it is a copy


def keep_records(folder: Path, receipts: list[Receipt]) -> None:
    """Make the records in `folder`, Snakemake's own, those of the results.

    Raises:
        PipelineError: results of our jobs exist, and their records are missing.
    """
    if Path(RESULTS).is_symlink() and not Path(RESULTS).exists():
        raise PipelineError(
            f"{RESULTS}: is a link that leads nowhere; mount what it leads to, or remove the link"
        )
    places = (root / kind for root in (folder, KEPT) for kind in KINDS)
    lost = not any(place.is_dir() and any(place.iterdir()) for place in places)
    if lost and any(_left(receipt) for receipt in receipts):
        raise PipelineError(
            f"{RESULTS}: the records of what made it are gone (none is in {KEPT}); copy the folder"
            " whole, or move it away and run again"
        )
    for kind in KINDS:
        _link(folder / kind, KEPT / kind)


def mend_links(folder: Path) -> None:
    """Remove broken links from `folder`, for example after the results were removed."""
    for kind in KINDS:
        if (folder / kind).is_symlink() and not (folder / kind).exists():
            (folder / kind).unlink()


def without_times(receipts: list[Receipt]) -> bool:
    """Return whether results were copied without their file times, on which Snakemake relies."""
    closed = [receipt for receipt in receipts if receipt.closed]
    return bool(closed) and all(
        receipt.path.stat().st_mtime - receipt.closed > COPIED_SECONDS
        for receipt in closed
        if receipt.closed and receipt.path.exists()
    )


def _left(receipt: Receipt) -> bool:
    """Whether any output that the job of a receipt finished still exists."""
    return any(made and Path(output).exists() for output, made in receipt.outputs.items())


def _link(link: Path, kept: Path) -> None:
    """Make `link` lead to the folder `kept`; a folder in its place is moved there."""
    kept.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        if link.exists() and link.samefile(kept):
            return
        link.unlink()
    elif link.exists():
        _merge(link, kept)
    try:
        link.symlink_to(os.path.relpath(kept.resolve(), link.parent.resolve()))
    except PermissionError:  # a file system without links: the records stay in place
        link.mkdir()


def _merge(folder: Path, into: Path) -> None:
    """Move the files of a folder to another one, except those that are younger there."""
    for path in folder.rglob("*"):
        target = into / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
            shutil.copy2(path, target)
    shutil.rmtree(folder)
