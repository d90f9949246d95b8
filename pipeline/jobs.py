"""What every job of the workflow does at its edges: log to a file, fail with one line."""

import errno
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from pipeline.errors import PipelineError

# Of libraries, about what is taken care of: torchmetrics 0.11 needs pkg_resources, and a resumed
# training goes on at the item it was at.
UNTRUE_WARNINGS = ("pkg_resources is deprecated", ".*your dataloader is not resumable")


@contextmanager
def job(log: str | Path) -> Iterator[None]:
    """Log to `log` and standard error; turn a cause the user can mend into one line and exit 1."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[logging.FileHandler(log, mode="a"), logging.StreamHandler()],
        force=True,
    )
    logging.captureWarnings(True)
    for message in UNTRUE_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    try:
        yield
    except PipelineError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(f"{error.filename or Path.cwd()}: the disk is full; free some space, run again")
        if error.errno in (errno.EACCES, errno.EROFS):
            _fail(f"{error.filename}: {error.strerror}; check its permissions")
        _surprise(error)
    except Exception as error:
        _surprise(error)


def _surprise(error: Exception) -> NoReturn:
    logging.exception("an error of the program, please report it")
    sys.exit(f"error: {type(error).__name__}: {error}")


def _fail(message: str) -> NoReturn:
    logging.error(message)
    sys.exit(1)
