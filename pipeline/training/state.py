"""What is kept of a training beside its outputs, so that nothing finished is done twice."""

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
# What turns the facts of a training into weights: another version may give others.
CODE = ("audio", "mixtures", "models", "tasks", "training")
LIBRARIES = ("asteroid", "numpy", "pytorch-lightning", "torch")

Facts = dict[str, Any]


class Saved(NamedTuple):
    """A state to go on from, and the training step it was saved before."""

    path: Path
    step: int


class State:
    """The folder of one training: its two last states, its best epoch, and how it ended.

    `samples`, beside it, holds the excerpts of a dev recording, `tensorboard` the curves.
    `extensions` are the user's own files that the training uses.
    """

    def __init__(self, folder: Path, extensions: Sequence[Path] = ()) -> None:
        self.extensions = extensions
        self.folder, self.samples = folder, folder.with_name("samples")
        self.last, self.previous = folder / "last.ckpt", folder / "previous.ckpt"
        self.best, self.tensorboard = folder / "best.ckpt", folder / "tensorboard"
        self._job, self._ended = folder / "job.json", folder / "finished.json"
        self._weights, self._history = folder / "finished.safetensors", folder / "finished.csv"
        # What a training leaves besides, and where it is kept once the training has ended.
        self._left = {
            self.samples: folder / "finished_samples",
            self.tensorboard: folder / "finished_tensorboard",
        }

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

    @property
    def programs(self) -> list[Facts]:
        """The code and libraries that the claimed training ran with, one a change."""
        return _job_of(self._job)["programs"]

    def claim(self, facts: Facts) -> None:
        """Make the folder that of a training which `facts` decide.

        A training that goes on by other code or libraries says so and remembers both.

        Raises:
            PipelineError: it holds an unfinished training of another configuration.
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
        if not begun:  # what an earlier training left would be shown as this one's
            for left in self._left:
                shutil.rmtree(left, ignore_errors=True)
        if programs[-1:] != [now]:
            write_json(self._job, {"facts": facts, "programs": [*programs, now]})

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
        self._ended.unlink(missing_ok=True)  # it tells of files that are about to change
        shutil.copyfile(weights, self._weights)
        shutil.copyfile(history, self._history)
        for left, kept in self._left.items():
            _copy_folder(left, kept)
        write_json(self._ended, _ended(facts, self.programs, self._weights, self._history))
        self._forget()

    def restore(self, facts: Facts, weights: Path, history: Path) -> bool:
        """Write what an earlier training ended with, if the same facts and program decided it.

        Its samples and curves take the place of those of a training that was begun since.
        """
        kept = (self._weights, self._history)
        if not all(path.exists() for path in kept):
            return False
        now = program(extensions=self.extensions)
        if _read(self._ended) != _ended(facts, [now], *kept):
            return False
        for left, finished in self._left.items():
            _copy_folder(finished, left)
        if _job_of(self._job)["facts"] == facts:  # it was killed before it could forget them
            self._forget()
        for source, target in zip(kept, (weights, history), strict=True):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
        return True

    def _forget(self) -> None:
        for path in (*self._states(), self.best):
            path.unlink(missing_ok=True)

    def _states(self) -> list[Path]:
        return [path for path in (self.last, self.previous) if path.exists()]


def _job_of(path: Path) -> dict[str, Any]:
    """What decides the training of a folder, `facts`, and the `programs` it ran with.

    Of a torn file it is nothing, which no training has in common with another.
    """
    job = _read(path)
    known = isinstance(job, dict) and job.keys() == {"facts", "programs"}
    return job if known else {"facts": {}, "programs": []}


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


def program(package: Path = PACKAGE, extensions: Sequence[Path] = ()) -> Facts:
    """What turns facts into weights: a hash of the code, and the versions of the libraries."""
    paths = [path for folder in CODE for path in (package / folder).rglob("*")]
    code = sorted(path for path in paths if path.suffix in (".py", ".c"))
    digest = hashlib.sha256()
    for path in (*code, *extensions):
        digest.update(path.read_bytes())
    libraries = {name: version(name) for name in LIBRARIES}
    return {"code": digest.hexdigest(), "libraries": libraries}


def _ended(facts: Facts, programs: list[Facts], weights: Path, history: Path) -> Facts:
    """What holds of a finished training: the same again gives the same weights."""
    sums = {"weights": sha256(weights), "history": sha256(history)}
    return {"job": facts, "programs": programs} | sums


def _copy_folder(source: Path, target: Path) -> None:
    """Let a folder, or none, take the place of another."""
    shutil.rmtree(target, ignore_errors=True)
    for path in (path for path in source.rglob("*") if path.is_file()):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)  # one by one: a full disk is then an OSError with its cause
