"""The columns by which tables tell systems apart, and which systems are compared."""

from collections.abc import Iterable, Sequence

import pandas as pd

from pipeline.tasks.grammar import NOISY, SYSTEM, ModelKey, System


def paths_of(table: pd.DataFrame, suffix: str = "") -> "pd.Series[str]":
    """The system of every row, as its path; `suffix` ends the names of all columns but `task`."""
    columns = ["task", *(f"{column}{suffix}" for column in SYSTEM[1:])]
    parts = [table[column].astype(str) for column in columns]
    return parts[0].str.cat(parts[1:], sep="/")


def systems_of(paths: Iterable[str], suffix: str = "") -> pd.DataFrame:
    """The columns of systems, from their paths; `suffix` is added to the names of the columns."""
    rows = [System.parse(path).columns for path in paths]
    return pd.DataFrame(rows, columns=SYSTEM).add_suffix(suffix)


def comparable(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two systems are compared: of one task, and of one network or with equal conditions.

    Each is its task, its network's name, and its conditions in training and in the test.
    """
    (task, name, *conditions), (other_task, other_name, *others) = one, other
    return task == other_task and (name == other_name or conditions == others)


def direct(system: System) -> System:
    """The system of the same network that is trained and tested on noisy mixtures."""
    model = system.model
    return System(ModelKey(model.task, model.name, NOISY, model.run), NOISY)


def without_denoiser(system: System) -> list[System]:
    """Systems with noisy input, to compare a system with denoised input to.

    The same model, and, if it was trained on its input in the test, the network of which that is
    true for noisy mixtures. Empty for a system whose input is not denoised.
    """
    if system.tested.kind != "denoised":
        return []
    same = System(system.model, NOISY)
    return [same, direct(system)] if system.model.trained == system.tested else [same]
