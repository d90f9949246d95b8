"""What is kept of a training beside its outputs, so that nothing finished is done twice."""

import fcntl
import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.errors import PipelineError
from pipeline.files import read_json, replacing, write_json
from pipeline.provenance import sha256

PACKAGE = Path(__file__).parents[1]
# What turns the facts of a training into weights: another version may give others.
CODE = ("audio.py", "mixtures/*.py", "models/*.py", "training/*.py")
LIBRARIES = ("asteroid", "pytorch-lightning", "torch")

Facts = dict[str, Any]


class Saved(NamedTuple):
    """A state to go on from, and the training step it was saved before."""

    path: Path
    step: int


class State:
    """The folder of one training: its two last states, its best epoch, and how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last, self.previous = folder / "last.ckpt", folder / "previous.ckpt"
        self.best = folder / "best.ckpt"
        self._job, self._ended = folder / "job.json", folder / "finished.json"
        self._weights, self._history = folder / "finished.safetensors", folder / "finished.csv"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process trains here; free again with the end of this process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logging.warning("%s: another process trains here; waiting for its end", self.folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:  # a file system without locks
                logging.warning("%s: cannot be locked (%s)", self.folder, error.strerror)
            yield

    def claim(self, facts: Facts) -> None:
        """Make the folder that of a training which `facts` decide.

        Raises:
            PipelineError: it holds an unfinished training of another configuration.
        """
        earlier = _read(self._job) if self._states() else None
        if earlier and (differing := differing_keys(facts, earlier)):
            raise PipelineError(
                f"{self.folder}: holds an unfinished training of another configuration (differs in"
                f" {', '.join(differing)}); restore that, or delete the folder to start afresh"
            )
        write_json(self._job, facts)

    def newest(self) -> Saved | None:
        """The last state, or the one before if that is damaged; None where a training begins."""
        for path in self._states():
            step = step_of(path)
            if step is not None:
                return Saved(path, step)
            logging.warning("%s: damaged, so the training goes on from before it", path)
        return None

    def keep(self, write: Callable[[Path], None], first: bool = True) -> None:
        """Let `write` make the state, and put it in the place of the last, atomically.

        All processes of a training call this at once; `write` writes in the `first` alone.
        """
        temporary = self.folder / ".last.ckpt.part"
        if not first:
            return write(temporary)
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            if self.last.exists():
                self.last.replace(self.previous)
            temporary.replace(self.last)
        except OSError as error:
            error.filename = error.filename or str(self.last)
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def finish(self, facts: Facts, weights: Path, history: Path) -> None:
        """Remember how the training ended, and forget what would continue it."""
        shutil.copyfile(weights, self._weights)
        shutil.copyfile(history, self._history)
        write_json(self._ended, _ended(facts, self._weights, self._history))
        for path in (*self._states(), self.best):
            path.unlink()

    def restore(self, facts: Facts, weights: Path, history: Path) -> bool:
        """Write what an earlier training ended with, if the same facts and code decided it."""
        kept = (self._weights, self._history)
        if not all(path.exists() for path in kept):
            return False
        if _read(self._ended) != _ended(facts, *kept):
            return False
        for source, target in zip(kept, (weights, history), strict=True):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
        return True

    def _states(self) -> list[Path]:
        return [path for path in (self.last, self.previous) if path.exists()]


def _read(path: Path) -> Any:
    """What a JSON file holds; None where there is none, or a torn one."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def step_of(path: Path) -> int | None:
    """Training steps of a saved state, if it is all there: a ZIP archive with checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        return int(torch.load(path, "cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # ZIP, pickle and its content each have errors of their own
        return None


def differing_keys(one: Facts, other: Facts, prefix: str = "") -> list[str]:
    """Dotted names of what two nested dictionaries do not have in common, sorted."""
    names = []
    for key in sorted(one.keys() | other.keys()):
        here, there = one.get(key), other.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            names += differing_keys(here, there, f"{prefix}{key}.")
        elif here != there:
            names.append(f"{prefix}{key}")
    return names


def _ended(facts: Facts, weights: Path, history: Path) -> Facts:
    """What holds of a finished training: the same again gives the same weights."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in PACKAGE.glob(pattern)):
        digest.update(path.read_bytes())
    return {
        "job": facts,
        "code": digest.hexdigest(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "weights": sha256(weights),
        "history": sha256(history),
    }
