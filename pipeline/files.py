"""Files written whole or not at all, and CSV manifests with paths relative to themselves."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import PipelineError


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
        error.filename = error.filename or str(path)  # a full disk does not say where
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


def write_manifest(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV atomically.

    Columns named `path` or `*_path` are rewritten relative to the manifest, so that a
    results folder can be moved as a whole.
    """
    folder = Path(path).resolve().parent
    table = table.copy()
    for column in _path_columns(table):
        table[column] = [_relative(value, folder) for value in table[column]]
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def read_manifest(path: Path | str) -> pd.DataFrame:
    """Read a CSV manifest; path columns come back as absolute paths.

    Raises:
        PipelineError: the manifest is missing or empty.
    """
    text = {"speaker": str, "utterance": str, "chapter": str, "mixture_id": str, "noise": str}
    try:
        head = pd.read_csv(path, nrows=0).columns
        text |= {c: str for c in head if c.endswith(("_speaker", "_utterance"))}
        # "NA" is a speaker's or country's name before it is a missing value.
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise PipelineError(f"{path}: no such manifest; run the stage that makes it") from error
    except pd.errors.EmptyDataError as error:
        raise PipelineError(f"{path}: is empty; delete it and run again") from error
    folder = Path(path).resolve().parent
    for column in _path_columns(table):
        table[column] = [
            value if pd.isna(value) else os.path.normpath(folder / value) for value in table[column]
        ]
    return table


def concatenate(shards: Iterable[Path | str], path: Path | str) -> None:
    """Join shard manifests into one, in the order given, paths re-based."""
    write_manifest(path, pd.concat([read_manifest(shard) for shard in shards], ignore_index=True))


def shard_of(table: pd.DataFrame, scatteritem: str) -> pd.DataFrame:
    """Rows of shard `"k-of-n"`: contiguous, sizes differing by one at most."""
    number, count = (int(part) for part in scatteritem.split("-of-"))
    bounds = [len(table) * k // count for k in (number - 1, number)]
    return table.iloc[bounds[0] : bounds[1]]


def _path_columns(table: pd.DataFrame) -> list[str]:
    return [c for c in table.columns if c == "path" or c.endswith("_path")]


def _relative(value: Any, folder: Path) -> Any:
    return value if pd.isna(value) else os.path.relpath(Path(value).resolve(), folder)
