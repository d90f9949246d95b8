"""Read LibriMix's metadata from outside, and refuse faulty cells by row and column."""

import re
from pathlib import Path

import pandas as pd

from pipeline.base.errors import PipelineError, in_short
from pipeline.mixtures.names import speed_named
from pipeline.mixtures.numbers import checked_numbers

LONGEST_NAME = 200  # bytes of a mixture's name, to which an ending is added


def read_table(path: Path, num_speakers: int) -> pd.DataFrame:
    """Read one `libri<n>mix_<subset>.csv`; `noise_start` and `noise_speed` are added if missing.

    Raises:
        PipelineError: the file is not such metadata, has another number of speakers, or a cell
            is not a finite number.
    """
    numbers = range(1, num_speakers + 1)
    paths = [*(f"source_{k}_path" for k in numbers), "noise_path"]
    gains = [*(f"source_{k}_gain" for k in numbers), "noise_gain"]
    table = _read_text(path)
    held = sum(c.startswith("source_") and c.endswith("_path") for c in table)
    if held not in (0, num_speakers):
        raise PipelineError(
            f"{path}: its mixtures have {held} speakers, mixtures.num_speakers is {num_speakers};"
            f" set that to {held}, or give other files with mixtures.librimix.metadata"
        )
    missing = [column for column in ["mixture_ID", *paths, *gains] if column not in table]
    if missing:
        raise PipelineError(f"{path}: has no column {missing[0]}; give LibriMix's own metadata")
    if table.empty:
        raise PipelineError(f"{path}: holds no mixtures; fetch it again")
    unfit = next((name for name in table["mixture_ID"] if not _names_a_file(name)), None)
    if unfit is not None:
        raise PipelineError(f"{path}: mixture_ID {unfit!r} cannot name a file; change it")
    table = table.assign(**{column: table[column].map(_with_slashes) for column in paths})
    ours = [column for column in ("noise_start", "noise_speed") if column in table]
    table = checked_numbers(path, table, [*gains, *ours], "correct it or fetch it again")
    named = [speed_named(Path(noise).stem)[1] for noise in table["noise_path"]]
    starts, speeds = table.get("noise_start", 0.0), table.get("noise_speed", named)
    return table.assign(noise_start=starts, noise_speed=speeds)


def _read_text(path: Path) -> pd.DataFrame:
    """All cells of a table as text; commas separate them or, from spreadsheets, semicolons.

    With semicolons, numbers may have a decimal comma.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        separator = ";" if head.count(";") > head.count(",") else ","
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).fillna("")
    except OSError as error:
        raise PipelineError(f"{path}: cannot be read; check mixtures.librimix.metadata") from error
    except ValueError as error:
        raise PipelineError(
            f"{path}: is not LibriMix's CSV ({in_short(error)}); fetch it again"
        ) from error
    if separator == ",":
        return table
    numbers = [column for column in table if column.endswith(("_gain", "_start", "_speed"))]
    return table.assign(**{column: table[column].str.replace(",", ".") for column in numbers})


def _with_slashes(path: str) -> str:
    """A path written on Windows with slashes; elsewhere a `\\` may be part of a name."""
    return path if "/" in path else path.replace("\\", "/")


def _names_a_file(name: str) -> bool:
    """Whether the files of a mixture can have this name, in our folder and nowhere else."""
    return (
        len(name.encode()) <= LONGEST_NAME
        and re.fullmatch(r"[^\W_][^/|\x00-\x1f]*", name) is not None
    )
