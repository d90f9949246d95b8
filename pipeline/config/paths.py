"""Paths in the configuration: `~`, and where relative ones begin."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pipeline.config.problems import shown


def placed(path: str | Path) -> str:
    """A path as messages show it: a relative one with the folder from which it is taken."""
    where = "" if Path(path).is_absolute() else f" (relative to the working folder {Path.cwd()})"
    return f"{path}{where}"


def _at_home(path: str) -> str:
    """Put the home folder for a leading `~` or `~user`."""
    if "\0" in path:
        raise ValueError("holds a NUL character, which no path can; take it out")
    expanded = os.path.expanduser(path)  # noqa: PTH111 - leaves all other paths as they are
    if expanded.startswith("~"):
        raise ValueError(f"no home folder is known for {shown(path)}; write the path without ~")
    return expanded


def _as_it_stands(path: str) -> str:
    """Refuse what Snakemake replaces in an input's name, where there is no way to quote it."""
    if found := re.search("[{}]|<[a-z][a-z0-9_]*>", path):
        raise ValueError(f"holds {found[0]}, which Snakemake replaces; rename that file or folder")
    return path


UserPath = Annotated[str, AfterValidator(_at_home)]
InputPath = Annotated[UserPath, AfterValidator(_as_it_stands)]
