"""What every job of the workflow does at its edges: log to a file, fail with one line."""

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

# Of libraries, about what is taken care of: torchmetrics 0.11 needs pkg_resources, a resumed
# training goes on at the item it was at and in its folder, a cluster is no concern of Lightning's.
UNTRUE_WARNINGS = (
    "pkg_resources is deprecated",
    ".*your dataloader is not resumable",
    "Checkpoint directory .* exists and is not empty",
    "The `srun` command is available",
    ".*LeafSpec.* is deprecated",
)
# Where all jobs keep logs and receipts, from the working folder.
LOGS = Path("results/logs")


def one_or_none(files: Iterable[str]) -> Path | None:
    """The file of an input that has one or none."""
    return next(map(Path, files), None)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Log to the job's log and standard error; turn a cause the user can mend into one line.

    Args:
        snakemake: what Snakemake hands a script; its log, inputs and outputs are looked at.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[logging.FileHandler(log, mode="a"), logging.StreamHandler()],
        force=True,
    )
    logging.raiseExceptions = False  # on a full disk every line would be a trace
    logging.captureWarnings(True)
    pass_over_untrue_warnings()
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


def pass_over_untrue_warnings() -> None:
    """Do not show `UNTRUE_WARNINGS`."""
    for message in UNTRUE_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def refuse_damaged(inputs: Iterable[str], receipts: list[Receipt]) -> None:
    """Stop at an input that is cut short: it would be read as if that were all of it.

    Raises:
        PipelineError: names it.
    """
    for damage in find_damages(receipts, inputs):
        raise PipelineError(f"{damage}; run the same command again")


def one_line(error: PipelineError) -> str:
    """What an error says, also where a loader's worker hands it on, at the end of its trace."""
    *trace, last = str(error.args[0]).splitlines()
    if not trace or not trace[0].startswith("Caught "):
        return str(error)
    return last.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def cause_of(error: Exception) -> str | None:
    """The line for what a machine may do to any job, else None."""
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
    """Log the cause and exit 1; what is damaged below is a cause before what comes of it."""
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
    """The line of an error, with another cure where the file is one of a folder of ours."""
    fault, *cure = line.split("; ")
    folder = None if "check its permissions" in cure else distrust(read_receipts(LOGS), line)
    return f"{fault}; run the same command again, which makes {folder} again" if folder else line
