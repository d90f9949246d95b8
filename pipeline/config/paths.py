"""Paths in the configuration: `~`, and the folder to which relative paths refer."""

import os
import re
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from pipeline.config.problems import shown


def placed(path: str | Path) -> str:
    """Return a path for a message: a relative one with the folder to which it refers."""
    where = "" if Path(path).is_absolute() else f" (relative to the working folder {Path.cwd()})"
    return f"{path}{where}"


WEIGHTS = (".safetensors", ".pth", ".pt", ".th", ".ckpt", ".bin")


def is_file_name(source: str) -> bool:
    """Whether weights to start from are a file; names on the hub look like no file of weights."""
    return "://" not in source and (source[:1] in ("/", ".") or source.endswith(WEIGHTS))


def at_home(path: str) -> str:
    """Replace a leading `~` or `~user` by the home folder."""
    if "\0" in path:
        raise ValueError("holds a NUL character, which no path can; take it out")
    expanded = os.path.expanduser(path)  # noqa: PTH111 - it leaves all other paths unchanged
    if expanded.startswith("~"):
        raise ValueError(f"no home folder is known for {shown(path)}; write the path without ~")
    return expanded


def _as_it_stands(path: str) -> str:
    """Refuse characters that Snakemake replaces in an input's name and that cannot be quoted."""
    if found := re.search("[{}]|<[a-z][a-z0-9_]*>", path):
        raise ValueError(f"holds {found[0]}, which Snakemake replaces; rename that file or folder")
    return path


def _listed(value: Any) -> list[Any]:
    """Make a list of one folder of a text."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"must be a folder, or a list such as [a, b], not {shown(value)}")
    return list(value)


def _allat_home(paths: list[str]) -> list[str]:
    return [at_home(path) for path in paths]


def _apart(paths: list[str]) -> list[str]:
    """Refuse a folder that stands twice, or inside another one; links are followed."""
    real = [(path, Path(os.path.realpath(path))) for path in paths]
    for (one, outer), (other, inner) in permutations(real, 2):
        if outer == inner:
            raise ValueError(f"{shown(other)} is the same folder as {shown(one)}; name it once")
        if inner.is_relative_to(outer):
            raise ValueError(f"{shown(other)} lies inside {shown(one)}; name only one of them")
    return paths


def _as_given(paths: list[str]) -> str | list[str]:
    """Write a list of one folder as that folder, as most users do."""
    return paths[0] if len(paths) == 1 else paths


UserPath = Annotated[str, AfterValidator(at_home)]
InputPath = Annotated[UserPath, AfterValidator(_as_it_stands)]
Folders = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(_listed),
    AfterValidator(_allat_home),
    AfterValidator(_apart),
    PlainSerializer(_as_given),
]
"""One folder or a list of them; it is a list in Python, and what was given in a dump."""
