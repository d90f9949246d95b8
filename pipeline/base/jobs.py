"""The frame of every job of the workflow: a log file, and a one-line error where it fails."""

import errno
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from pipeline.base.disks import say_full
from pipeline.base.errors import PipelineError
from pipeline.base.processes import end_with_snakemake, end_workers
from pipeline.base.receipts import (
    Receipt,
    close_receipt,
    distrust,
    find_damages,
    open_receipt,
    read_receipts,
)

# Warnings of libraries that need no action: torchmetrics 0.11 needs pkg_resources, a resumed
# training continues at its last item and in its own folder, Lightning need not handle clusters.
IGNORED_WARNINGS = (
    "pkg_resources is deprecated",
    ".*your dataloader is not resumable",
    "Checkpoint directory .* exists and is not empty",
    "The `srun` command is available",
    ".*LeafSpec.* is deprecated",
)
# The folder of the logs and receipts of all jobs, relative to the working folder.
LOGS = Path("results/logs")


def one_or_none(files: Iterable[str]) -> Path | None:
    """Return the file of an optional input, which has one file or none."""
    return next(map(Path, files), None)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Log to the job's log and to standard error; report an error for the user as one line.

    Args:
        snakemake: the object that Snakemake gives to a script, with its log, inputs and outputs.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[logging.FileHandler(log, mode="a"), logging.StreamHandler()],
        force=True,
    )
    logging.raiseExceptions = False  # on a full disk every line would be a traceback
    logging.captureWarnings(True)
    ignore_warnings()
    try:
        end_with_snakemake()
        receipts = read_receipts(LOGS)
        receipt = open_receipt(log, snakemake.input, snakemake.output, receipts)
        refuse_damaged(snakemake.input, receipts)
        yield
        close_receipt(receipt)
    except Exception as error:
        _fail(error, snakemake.input)
    finally:
        end_workers()


def ignore_warnings() -> None:
    """Do not show `IGNORED_WARNINGS`."""
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def refuse_damaged(inputs: Iterable[str], receipts: list[Receipt]) -> None:
    """Stop where an input is cut short, since it would be read as if it were complete.

    Raises:
        PipelineError: names the damaged input.
    """
    for damage in find_damages(receipts, inputs):
        raise PipelineError(f"{damage}; run the same command again")


def one_line(error: PipelineError) -> str:
    """Return the message of an error, also if a loader's worker passed it on in a traceback."""
    *trace, last = str(error.args[0]).splitlines()
    if not trace or not trace[0].startswith("Caught "):
        return str(error)
    return last.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def cause_of(error: Exception) -> str | None:
    """Return the line for a failure of the machine that may stop any job, else None."""
    if isinstance(error, BrokenProcessPool) or str(error).startswith("DataLoader worker"):
        return (
            "a process of this job was killed, perhaps because memory ran out; run again, with"
            " fewer --cores if it happens again"
        )
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return say_full(error.filename or Path.cwd())
    if error.errno == errno.EACCES:
        return f"{error.filename}: {error.strerror}; check its permissions"
    if error.errno == errno.EROFS:
        return f"{error.filename}: {error.strerror}; mount it for writing, or choose another folder"
    return None


def _fail(error: Exception, inputs: Iterable[str]) -> NoReturn:
    """Log the cause and exit with 1; a damaged input counts as a cause before its consequences."""
    try:
        refuse_damaged(inputs, read_receipts(LOGS))
    except PipelineError as damage:
        error = damage
    if isinstance(error, PipelineError):
        logging.error(_with_cure(one_line(error)))
    elif cause := cause_of(error):
        logging.error(cause)
    else:
        logging.exception("an error of the program, please report it", exc_info=error)
        sys.exit(f"error: {type(error).__name__}: {error}")
    sys.exit(1)


def _with_cure(line: str) -> str:
    """Return the line of an error; where its file is in one of our folders, with another cure."""
    fault, *cure = line.split("; ")
    folder = None if "check its permissions" in cure else distrust(read_receipts(LOGS), line)
    return f"{fault}; run the same command again, which rebuilds {folder}" if folder else line
