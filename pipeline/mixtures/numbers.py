"""Check columns of numbers in tables from outside, cell by cell, before they are used."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.base.errors import PipelineError

# Last words of the names of columns whose numbers must be above 0, or at least 0.
ABOVE_ZERO = {"length", "longest", "samples", "speed", "peak"}
NOT_NEGATIVE = {"start", "silence"}
FIRST_ROW = 2  # spreadsheets and editors also count the line of names
# Last words of the names of a plan's columns that hold numbers.
PLANNED = ABOVE_ZERO | NOT_NEGATIVE | {"gain", "snr", "rms"}


def checked_numbers(path: Path, table: pd.DataFrame, columns: list[str], cure: str) -> pd.DataFrame:
    """Return the table with its columns of numbers parsed; columns of numbers stay unchanged.

    Cells of a source that a mixture lacks are empty, its path among them.

    Args:
        path: the file from which the table was read.
        table: the table as read, with its original index; cells of text may be numbers.
        columns: the columns to check; only `lufs` may be empty, which means no loudness.
        cure: what the user can do about a wrong cell.

    Raises:
        PipelineError: a column is missing; or names row and column of a cell that is not a finite
            number, or not a valid length, speed, peak or position.
    """
    for column in columns:
        if column not in table:
            raise PipelineError(f"{path}: has no column {column}; {cure}")
        values = table[column]
        if not pd.api.types.is_numeric_dtype(values):
            values = values.map(_number)
        there = _there(table, column)
        _check(path, table[column][there], values.to_numpy(np.float64)[there], cure)
        table = table.assign(**{column: values})
    return table


def planned_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of a plan that rendering computes with."""
    return [column for column in table if column.rpartition("_")[2] in PLANNED]


def _there(table: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """Rows of which a column must hold a number: those with the source that it describes."""
    source = re.match(r"source_\d+_", column)
    if source is None or f"{source[0]}path" not in table:
        return np.ones(len(table), bool)
    own = [name for name in table if name.startswith(source[0])]
    return table[own].notna().any(axis=1).to_numpy()


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _check(path: Path, cells: pd.Series, values: Any, cure: str) -> None:
    word = str(cells.name).rpartition("_")[2]
    faults = {"is not a finite number": ~np.isfinite(values)}
    if word == "lufs":
        faults = {"is not a finite number": np.isinf(values) | (np.isnan(values) & cells.notna())}
    if word in ABOVE_ZERO:
        faults["is not above 0"] = values <= 0
    if word in NOT_NEGATIVE:
        faults["is below 0"] = values < 0
    for fault, wrong in faults.items():
        if np.any(wrong):
            place = int(np.argmax(wrong))
            row = cells.index[place] + FIRST_ROW
            raise PipelineError(
                f"{path}: row {row}, {cells.name}: '{cells.iloc[place]}' {fault}; {cure}"
            )
