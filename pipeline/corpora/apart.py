"""Names that stand in several roots: speakers, utterances and noises told apart."""

import logging
import os
from pathlib import Path

import pandas as pd

from pipeline.base.errors import PipelineError
from pipeline.corpora.names import composed

MARK = "@"  # between a name and the root that it is from


def root_labels(roots: list[Path]) -> dict[Path, str]:
    """A short name of each root: its folder's, with its place in the list where two are equal.

    >>> list(root_labels([Path("/a/LibriSpeech"), Path("/b/VCTK")]).values())
    ['LibriSpeech', 'VCTK']
    >>> list(root_labels([Path("/a/LibriSpeech"), Path("/b/LibriSpeech")]).values())
    ['LibriSpeech1', 'LibriSpeech2']
    """
    names = [Path(os.path.realpath(root)).name for root in roots]
    if len(set(map(composed, names))) < len(names):
        names = [f"{name}{place}" for place, name in enumerate(names, 1)]
    return dict(zip(roots, names, strict=True))


def with_root(name: str, label: str) -> str:
    """A name that is told apart by its root.

    >>> with_root("1001", "LibriSpeech")
    '1001@LibriSpeech'
    """
    return f"{name}{MARK}{label}"


def root_in(name: str, plain: str) -> str:
    """The label of the root in a name, as `with_root` puts it; empty where there is none.

    >>> root_in("1001@LibriSpeech", "1001"), root_in("1001", "1001")
    ('LibriSpeech', '')
    """
    return name.removeprefix(plain + MARK) if name.startswith(plain + MARK) else ""


def tell_apart(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Add `@<root>` to every name of a column that stands in more than one root.

    All other names stay as they are, and so do all names of a single root.

    Args:
        table: one row a file, with its `path` and, in `root`, the label of its root.
        column: of the names.

    Raises:
        PipelineError: a name with its root added is the name of another root's.
    """
    several = table["root"].groupby(table[column].map(composed)).transform("nunique") > 1
    if not several.any():
        return table
    names = table[column].where(~several, table[column] + MARK + table["root"])
    _check_apart(table.assign(**{column: names}), column)
    found = names[several].unique()
    logging.info(
        "%d names (%s) stand in several roots and have their root added, such as %s",
        *(table.loc[several, column].map(composed).nunique(), column, found[0]),
    )
    return table.assign(**{column: names})


def _check_apart(table: pd.DataFrame, column: str) -> None:
    for _, rows in table.groupby(table[column].map(composed)):
        if rows["root"].nunique() > 1:
            one, other = rows.drop_duplicates("root").iloc[:2].itertuples()
            raise PipelineError(
                f"{other.path}: the name {getattr(one, column)} with its root added is that of"
                f" {one.path}; rename one of the two roots"
            )
