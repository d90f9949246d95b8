"""The columns by which tables tell systems apart, and which systems are compared."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

import pandas as pd

from pipeline.tasks.grammar import (
    CLEAN,
    NOISY,
    SYSTEM,
    Condition,
    ModelKey,
    System,
    denoiser_after,
    split_heading,
)


def paths_of(table: pd.DataFrame, suffix: str = "") -> "pd.Series[str]":
    """The system of every row, as its path; `suffix` ends the names of all columns but `task`."""
    columns = ["task", *(f"{column}{suffix}" for column in SYSTEM[1:])]
    parts = [table[column].astype(str) for column in columns]
    return parts[0].str.cat(parts[1:], sep="/")


def systems_of(paths: Iterable[str], suffix: str = "") -> pd.DataFrame:
    """The columns of systems, from their paths; `suffix` is added to the names of the columns."""
    rows = [System.parse(path).columns for path in paths]
    return pd.DataFrame(rows, columns=SYSTEM).add_suffix(suffix)


ARM = [column for column in SYSTEM if column != "run"]
"""The columns that tell systems apart whose runs are taken together."""

Arm = tuple[str, str, str, str]
"""The values of a system in these columns."""


def arm_of(system: System) -> Arm:
    """A system as an arm of comparisons."""
    model = system.model
    return model.task, model.name, str(model.trained), system.heading


def pairs_of(arms: Iterable[Arm]) -> Iterator[tuple[Arm, Arm]]:
    """The pairs that are compared: in alphabetical order, but the one without a denoiser last.

    Two systems of one task are compared where they are of one network, where their conditions are
    equal, and where one has a denoiser and the other is trained and tested on noisy mixtures.
    """
    for one, other in combinations(sorted(arms), 2):
        if one[0] != other[0]:
            continue
        alike = one[1] == other[1] or one[2:] == other[2:]
        if _is_last(one, other) and (alike or is_direct(*one[2:])):
            yield other, one
        elif alike or (has_denoiser(one[3]) and is_direct(*other[2:])):
            yield one, other


def _is_last(one: Arm, other: Arm) -> bool:
    """Whether a direct system, or one with noisy input, is what denoising is compared with."""
    if is_direct(*one[2:]):
        return has_denoiser(other[3])
    return one[3] == str(NOISY) and bool(denoised_after(other[3]))


def is_direct(trained: str, tested: str) -> bool:
    """Whether a system separates noisy mixtures, and was trained for it."""
    return trained == tested == str(NOISY)


def input_of(tested: str) -> Condition:
    """The input of a system, from the column `tested`, in which a step after it may stand too."""
    return split_heading(tested)[0]


def denoised_after(tested: str) -> str:
    """The denoiser of what a system separates; empty without one."""
    return denoiser_after(split_heading(tested)[2])


def has_denoiser(tested: str) -> bool:
    """Whether the input of a system is denoised, or what it separates."""
    return input_of(tested).kind == "denoised" or bool(denoised_after(tested))


def has_rival(trained: str, tested: str) -> bool:
    """Whether a system has a denoiser and is held against a direct system.

    Its separator was trained on its input (with any share of the mixture), or on clean mixtures.
    """
    fitting = (str(replace(input_of(tested), dry=0)), str(CLEAN))
    return has_denoiser(tested) and trained in fitting


def direct(system: System) -> System:
    """The system of the same network that is trained and tested on noisy mixtures."""
    model = system.model
    return System(ModelKey(model.task, model.name, NOISY, model.run), NOISY)


def without_denoiser(system: System) -> list[System]:
    """Systems with noisy input and no denoiser, to compare a system with a denoiser to.

    The same model, and, if it was trained on the denoised input that it has in the test, the
    network of which that is true for noisy mixtures. Empty for a system without a denoiser.
    """
    if not has_denoiser(system.heading):
        return []
    same = System(system.model, NOISY)
    trained_on_it = system.model.trained == replace(system.tested, dry=0) != NOISY
    return [same, direct(system)] if trained_on_it else [same]
