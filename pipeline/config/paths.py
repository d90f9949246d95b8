"""Paths in the configuration: `~`, and the folder to which relative paths refer."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pipeline.config.problems import shown


def placed(path: str | Path) -> str:
    """Return a path for a message: a relative one with the folder to which it refers."""
    where = "" if Path(path).is_absolute() else f" (relative to the working folder {Path.cwd()})"
    return f"{path}{where}"


def _at_home(path: str) -> str:
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


UserPath = Annotated[str, AfterValidator(_at_home)]
InputPath = Annotated[UserPath, AfterValidator(_as_it_stands)]
