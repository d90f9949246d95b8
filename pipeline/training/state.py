"""The state of a training beside its outputs, so that no finished work is repeated."""

import fcntl
import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_json, replacing, write_json
from pipeline.base.provenance import sha256

PACKAGE = Path(__file__).parents[1]
# The code and libraries that map the facts of a training to weights; others may give other weights.
CODE = ("audio", "losses", "mixtures", "models", "tasks", "training")
LIBRARIES = (
    "asteroid",
    "julius",
    "numpy",
    "pyroomacoustics",
    "pytorch-lightning",
    "scipy",
    "torch",
)

BEST = "best"
"""Begins the names of the files of the best epochs."""

Facts = dict[str, Any]


class Saved(NamedTuple):
    """A state to resume from, and the training step before which it was saved."""

    path: Path
    step: int


class State:
    """The folder of one training: its last two states, its best epochs, and its result.

    `samples`, beside it, holds the excerpts of a dev recording, `tensorboard` the curves.
    `extensions` are the user's own files that the training uses.
    """

    def __init__(self, folder: Path, extensions: Sequence[Path] = ()) -> None:
        self.extensions = extensions
        self.folder, self.samples = folder, folder.with_name("samples")
        self.last, self.previous = folder / "last.ckpt", folder / "previous.ckpt"
        self.tensorboard = folder / "tensorboard"
        self._job, self._ended = folder / "job.json", folder / "finished.json"
        self._weights, self._history = folder / "finished.safetensors", folder / "finished.csv"
        # Further outputs of a training, and where they are kept after its end.
        self._left = {
            self.samples: folder / "finished_samples",
            self.tensorboard: folder / "finished_tensorboard",
        }

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process trains here; the lock is freed when this process ends."""
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

    @property
    def programs(self) -> list[Facts]:
        """Return the code and libraries with which the training ran, one entry for each change."""
        return _job_of(self._job)["programs"]

    def claim(self, facts: Facts) -> None:
        """Take the folder for the training that `facts` determine.

        If a training continues with other code or libraries, this is logged and both are recorded.

        Raises:
            PipelineError: the folder holds an unfinished training of another configuration.
        """
        begun = bool(self._states())
        fresh: Facts = {"facts": facts, "programs": []}
        earlier = _job_of(self._job) if begun and self._job.exists() else fresh
        if differing := differing_keys(facts, earlier["facts"]):
            raise PipelineError(
                f"{self.folder}: holds an unfinished training of another configuration (differs in"
                f" {', '.join(differing)}); restore that configuration, or delete the folder to"
                " start afresh"
            )
        now, programs = program(extensions=self.extensions), earlier["programs"]
        if programs and now != programs[-1]:
            changed = ", ".join(differing_keys(now, programs[-1]))
            logging.warning(
                "%s: this training began with another program (differs in %s) and goes on with the"
                " present one; delete the folder to train from the start",
                self.folder,
                changed,
            )
        if not begun:  # files of an earlier training would be shown as this one's
            for left in self._left:
                shutil.rmtree(left, ignore_errors=True)
        if programs[-1:] != [now]:
            write_json(self._job, {"facts": facts, "programs": [*programs, now]})

    def newest(self) -> Saved | None:
        """Return the last state, or the one before if that is damaged; None if there is none."""
        for path in self._states():
            step = step_of(path)
            if step is not None:
                return Saved(path, step)
            logging.warning("%s: damaged, so the training goes on from before it", path)
        return None

    def keep(self, write: Callable[[Path], None], first: bool = True) -> None:
        """Let `write` create the state, and replace the last state with it atomically.

        All processes of a training call this at once; `write` writes a file in the `first` alone.
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
        """Record the result of the training, and remove the files for continuing it."""
        self._ended.unlink(missing_ok=True)  # it describes files that are about to change
        shutil.copyfile(weights, self._weights)
        shutil.copyfile(history, self._history)
        for left, kept in self._left.items():
            _copy_folder(left, kept)
        write_json(self._ended, _ended(facts, self.programs, self._weights, self._history))
        self._forget()

    def restore(self, facts: Facts, weights: Path, history: Path) -> bool:
        """Write the result of an earlier training with the same facts and program, if there is one.

        Its samples and curves replace those of a training that was begun since.
        """
        kept = (self._weights, self._history)
        if not all(path.exists() for path in kept):
            return False
        now = program(extensions=self.extensions)
        if _read(self._ended) != _ended(facts, [now], *kept):
            return False
        for left, finished in self._left.items():
            _copy_folder(finished, left)
        if _job_of(self._job)["facts"] == facts:  # it was killed before it could remove them
            self._forget()
        for source, target in zip(kept, (weights, history), strict=True):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
        return True

    def _forget(self) -> None:
        for path in (*self._states(), *self.folder.glob(f"{BEST}*.ckpt")):
            path.unlink(missing_ok=True)

    def _states(self) -> list[Path]:
        return [path for path in (self.last, self.previous) if path.exists()]


def _job_of(path: Path) -> dict[str, Any]:
    """The `facts` that determine the training of a folder, and the `programs` it ran with.

    For an incomplete file the result is empty, and so differs from that of any training.
    """
    job = _read(path)
    known = isinstance(job, dict) and job.keys() == {"facts", "programs"}
    return job if known else {"facts": {}, "programs": []}


def _read(path: Path) -> Any:
    """The content of a JSON file; None if it is missing or incomplete."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def step_of(path: Path) -> int | None:
    """Return the training step of a saved state if it is complete: a ZIP archive with checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        return int(torch.load(path, "cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # ZIP, pickle and the content each have errors of their own
        return None


def differing_keys(one: Facts, other: Facts, prefix: str = "") -> list[str]:
    """Return the dotted names of entries that differ between two nested dictionaries, sorted.

    >>> differing_keys({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
    ['a.c']
    """
    names = []
    for key in sorted(one.keys() | other.keys()):
        here, there = one.get(key), other.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            names += differing_keys(here, there, f"{prefix}{key}.")
        elif here != there:
            names.append(f"{prefix}{key}")
    return names


def program(package: Path = PACKAGE, extensions: Sequence[Path] = ()) -> Facts:
    """Return a hash of the code, and the versions of the libraries, that determine the weights."""
    paths = [path for folder in CODE for path in (package / folder).rglob("*")]
    code = sorted(path for path in paths if path.suffix in (".py", ".c"))
    digest = hashlib.sha256()
    for path in (*code, *extensions):
        digest.update(path.read_bytes())
    libraries = {name: version(name) for name in LIBRARIES}
    return {"code": digest.hexdigest(), "libraries": libraries}


def _ended(facts: Facts, programs: list[Facts], weights: Path, history: Path) -> Facts:
    """The record of a finished training: the same record means the same weights."""
    sums = {"weights": sha256(weights), "history": sha256(history)}
    return {"job": facts, "programs": programs} | sums


def _copy_folder(source: Path, target: Path) -> None:
    """Replace a folder by another one, which may not exist."""
    shutil.rmtree(target, ignore_errors=True)
    for path in (path for path in source.rglob("*") if path.is_file()):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)  # one by one: a full disk then raises an OSError with its cause
