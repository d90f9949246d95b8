"""Recordings that a user names, and where what is made of them goes."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.audio.recordings import SUFFIXES
from pipeline.base.errors import PipelineError

MAGIC = re.compile(r"[*?\[]")
MADE = re.compile(r"\.(denoised|noise|speaker-\d+)\.\w+$")
"""Names of files that this command writes."""


@dataclass(frozen=True)
class Input:
    """A recording, and the folder below which its path is kept in the output folder."""

    path: Path
    base: Path
    beside: Path | None = None  # folder of its outputs, where none is given, if not its own

    def names(self) -> list[Path]:
        """Names for its outputs, without their endings, each longer than the one before."""
        below = self.path.relative_to(self.base)
        whole = [below.with_name(below.stem), below] if below.stem.strip(".") else [below]
        parents = [part for part in self.base.parts if part != self.base.anchor]
        return whole + [Path(*parents[-k:]) / below for k in range(1, len(parents) + 1)]


@dataclass(frozen=True)
class Found:
    """What was found below the names of a user.

    Attributes:
        inputs: in the order of the names, those of a folder sorted.
        errors: a line for each name below which there is no recording.
        left_out: files of earlier runs in folders.
    """

    inputs: list[Input]
    errors: list[str]
    left_out: int


def find(names: Iterable[str]) -> Found:
    """Find the recordings that files, folders and patterns name; each is taken once."""
    inputs: dict[Path, Input] = {}
    errors, left_out = [], 0
    for name in names:
        paths = sorted(glob.glob(name, recursive=True)) if _is_pattern(name) else [name]  # noqa: PTH207
        if not paths:
            errors.append(_nothing(name))
        for path in map(Path, paths):
            try:
                is_folder, key = path.is_dir(), path.resolve()
            except (OSError, RuntimeError):  # a name that is too long, a link to itself
                errors.append(_unusable(name))
                continue
            if not is_folder:
                inputs.setdefault(key, Input(path.absolute(), path.absolute().parent))
                continue
            held = [p for p in sorted(path.absolute().rglob("*")) if _holds_sound(p)]
            own = [p for p in held if MADE.search(p.name)]
            left_out += len(own)
            if len(held) == len(own):
                errors.append(_nothing(str(path)))
            for each in held:
                if each not in own:
                    inputs.setdefault(each.resolve(), Input(each, path.absolute()))
    return Found(list(inputs.values()), errors, left_out)


def stems(inputs: list[Input], out: Path | None) -> list[Path]:
    """Paths of the outputs without their endings, `<folder>/<name>`, no two of them equal.

    Recordings of equal names keep their suffix, and as many of their folders as it takes.

    Args:
        inputs: recordings.
        out: the output folder; None: each has its outputs beside it.
    """
    names = [[_placed(name, each, out) for name in each.names()] for each in inputs]
    chosen = [0] * len(names)
    while True:
        current = [of[k] for of, k in zip(names, chosen, strict=True)]
        counts = Counter(current)
        twice = [
            i
            for i, (path, of) in enumerate(zip(current, names, strict=True))
            if counts[path] > 1 and chosen[i] + 1 < len(of)
        ]
        if not twice:
            return current
        for i in twice:
            chosen[i] += 1


def _placed(name: Path, each: Input, out: Path | None) -> Path:
    return (each.beside or each.path.parent) / name.name if out is None else out.absolute() / name


def _nothing(name: str) -> str:
    if _is_pattern(name):
        return f"{name}: no file has such a name; check the pattern"
    return f"{name}: holds no recordings; check the folder"


def _unusable(name: str) -> str:
    return f"{name[:200]}: cannot be a file; check the name, or where the link leads"


def _is_pattern(name: str) -> bool:
    return bool(MAGIC.search(name)) and not os.path.lexists(name)


def _holds_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def check_targets(targets: Iterable[Path], inputs: Iterable[Input], overwrite: bool) -> None:
    """Refuse to write over inputs, and over other files unless that is asked for.

    Raises:
        PipelineError: one is there.
    """
    given = {each.path.resolve() for each in inputs}
    for path in targets:
        if path.resolve() in given:
            raise PipelineError(f"{path}: is an input of this call; give another -o")
        if path.exists() and not overwrite:
            raise PipelineError(f"{path}: is there already; give --overwrite, or another -o")
