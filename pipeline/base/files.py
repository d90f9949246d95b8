"""Atomic writing of files, and CSV manifests whose paths are relative to themselves."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import PipelineError

if TYPE_CHECKING:  # half a second, and the command line has no tables
    import pandas as pd

DIGEST_DIGITS = 16  # two files of a run share 64 bits by chance once in a billion runs
SEVERAL = "|"  # separates the paths of one cell
# Characters that a manifest cannot hold: the separator, a line break that CSV does not quote,
# bytes that are not UTF-8.
UNFIT = re.compile(r"[|\r\ud800-\udfff]")
# Columns that stay text even where every cell looks like a number.
TEXT = {"speaker", "utterance", "chapter", "mixture_id", "noise", "subset", "transcript", "path"}
TEXT |= {"task", "name", "trained", "tested", "digest"}
TEXT |= {f"{column}_{side}" for column in ("name", "trained", "tested") for side in "ab"}
TEXT_ENDS = ("_speaker", "_utterance", "_path")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` only if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def digest_of(*contents: bytes | memoryview) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the contents, concatenated.

    >>> digest_of(b"one", b"two")
    '25b6746d5172ed63'
    """
    whole = hashlib.sha256()
    for content in contents:
        whole.update(content)
    return whole.hexdigest()[:DIGEST_DIGITS]


def write_manifest(path: Path | str, tables: pd.DataFrame | Iterable[pd.DataFrame]) -> None:
    """Write a table, or an iterable of its parts, as CSV atomically.

    Columns named `path` or `*_path` are rewritten relative to the manifest, so that the folder of a
    run can be moved as a whole. In a manifest below a folder `results`, paths that lead out of the
    parent of that folder stay absolute, because those files do not move with it. A cell may hold
    several paths, separated by `|`.

    Raises:
        PipelineError: a path, or that of the folder, contains a `|`, a carriage return or bytes
            that are not UTF-8.
    """
    import pandas as pd

    folder, home = Path(path).resolve().parent, _home(Path(path).absolute())
    _check_name(folder)
    parts = [tables] if isinstance(tables, pd.DataFrame) else tables
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        columns: list[str] = []
        for table in parts:
            first, columns = not columns, columns or list(table.columns)
            moving = {
                c: [_relative(v, folder, home) for v in table[c]] for c in _path_columns(table)
            }
            table.assign(**moving)[columns].to_csv(file, index=False, header=first)


def read_manifest(path: Path | str) -> pd.DataFrame:
    """Read a CSV manifest; columns of paths are returned as absolute paths.

    Raises:
        PipelineError: the manifest is missing, empty or not a table.
    """
    import pandas as pd

    try:
        head = pd.read_csv(path, nrows=0).columns
        text = {c: str for c in head if c in TEXT or c.endswith(TEXT_ENDS)}
        # "NA" may be the name of a speaker or a country, so it is not read as a missing value.
        table = pd.read_csv(
            path, dtype=text, keep_default_na=False, na_values=[""], float_precision="round_trip"
        )
    except FileNotFoundError as error:
        raise PipelineError(f"{path}: no such manifest; run the same command again") from error
    except pd.errors.EmptyDataError as error:
        raise PipelineError(f"{path}: is empty; delete it and run again") from error
    except ValueError as error:
        raise PipelineError(f"{path}: is not a manifest; delete it and run again") from error
    folder = Path(path).resolve().parent
    for column in _path_columns(table):
        table[column] = [_absolute(value, str(folder)) for value in table[column]]
    return table


def concatenate(shards: Iterable[Path | str], path: Path | str) -> None:
    """Join shard manifests in the given order and re-base their paths, one in memory at a time."""
    write_manifest(path, (read_manifest(shard) for shard in shards))


def shard_bounds(items: int, shard: int, shards: int) -> tuple[int, int]:
    """Return the first item of shard number `shard` (from 0) of `shards`, and the end of the shard.

    The sizes of shards differ by at most one.

    >>> [shard_bounds(10, shard, 3) for shard in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    return items * shard // shards, items * (shard + 1) // shards


def shard_of(table: pd.DataFrame, scatteritem: str) -> pd.DataFrame:
    """Return the rows of a table that belong to shard `"k-of-n"`."""
    number, count = (int(part) for part in scatteritem.split("-of-"))
    return table.iloc[slice(*shard_bounds(len(table), number - 1, count))]


def split_paths(value: str) -> list[str]:
    """Return the paths in one cell of a manifest."""
    return value.split(SEVERAL)


def join_paths(paths: Iterable[Path | str]) -> str:
    """Join several paths into one cell of a manifest."""
    return SEVERAL.join(map(str, paths))


def _path_columns(table: pd.DataFrame) -> list[str]:
    return [c for c in table.columns if c == "path" or c.endswith("_path")]


def _home(manifest: Path) -> str | None:
    """The folder that moves together with a manifest: the parent of `results`, None if unknown."""
    results = next((folder for folder in manifest.parents if folder.name == "results"), None)
    if results is None:
        return None
    return str((results if results.is_symlink() else results.parent).resolve())


def _relative(value: Any, folder: Path, home: str | None) -> Any:
    if not isinstance(value, str | Path):  # a cell without a path
        return value
    if isinstance(value, Path):  # text may hold several paths
        _check_name(value)
    parts = (os.path.split(path) for path in split_paths(str(value)))
    return join_paths(
        os.path.normpath(f"{_between(where, str(folder), home)}/{name}") for where, name in parts
    )


def _check_name(path: Path) -> None:
    if found := UNFIT.search(str(path)):
        raise PipelineError(f"{path}: has a {found[0]} in its name; rename that file or folder")


@lru_cache(maxsize=100_000)
def _between(where: str, folder: str, home: str | None) -> str:
    """Path of a folder as a manifest in `folder` stores it, with links resolved.

    The result is cached, because it is needed once per file and accesses the disk.
    """
    found = Path(where).resolve()
    if home is not None and not found.is_relative_to(home):
        return str(found)
    return os.path.relpath(found, folder)


def _absolute(value: Any, folder: str) -> Any:
    if not isinstance(value, str | Path):  # a cell without a path
        return value
    return join_paths(os.path.normpath(Path(folder, path)) for path in split_paths(str(value)))
