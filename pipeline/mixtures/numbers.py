"""Columns of numbers in tables from elsewhere: every cell is looked at before it is used."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.errors import PipelineError

# Last words of the names of columns whose numbers must be above 0, or at least 0.
ABOVE_ZERO = {"length", "longest", "samples", "speed", "peak"}
NOT_NEGATIVE = {"start", "silence"}
FIRST_ROW = 2  # a spreadsheet and an editor count the line of names, too
# Last words of the columns of a plan that are numbers.
PLANNED = ABOVE_ZERO | NOT_NEGATIVE | {"gain", "snr", "rms"}


def checked_numbers(path: Path, table: pd.DataFrame, columns: list[str], cure: str) -> pd.DataFrame:
    """The table with its columns of numbers as numbers; those that are so already stay the same.

    Args:
        path: where the table was read from.
        table: as read, with the index it got there; cells of text may be numbers.
        columns: to look at; an empty cell is allowed in `lufs` alone, where it means no loudness.
        cure: what the user is to do about a wrong cell.

    Raises:
        PipelineError: a column is missing; names row and column of a cell that is no finite
            number, or no length, speed, peak or place.
    """
    for column in columns:
        if column not in table:
            raise PipelineError(f"{path}: has no column {column}; {cure}")
        values = table[column]
        if not pd.api.types.is_numeric_dtype(values):
            values = values.map(_number)
        _check(path, table[column], values.to_numpy(np.float64), cure)
        table = table.assign(**{column: values})
    return table


def planned_columns(table: pd.DataFrame) -> list[str]:
    """Columns of a plan that rendering computes with."""
    return [column for column in table if column.rpartition("_")[2] in PLANNED]


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
