"""Systems in the page's tables: by their paths, and split into parts."""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from pipeline.evaluation import systems
from pipeline.evaluation.systems import paths_of
from pipeline.tasks import DENOISE, SEPARATE, without_network
from pipeline.tasks.grammar import CLEAN, IDEAL_MASK, NO_NETWORKS, UNPROCESSED, System

MIXTURE, MIXTURE_AS_DENOISED = (
    without_network(task, UNPROCESSED).path for task in (SEPARATE, DENOISE)
)
"""The noisy mixture, compared with the speakers, and with the mixture without noise."""

MASKED = without_network(SEPARATE, IDEAL_MASK).path
"""An oracle: the noisy mixture, separated with masks that are computed from the true sources."""

DENOISED = "denoised-"
"""Beginning of the name of a denoiser's condition."""

ORACLE = "clean"
"""The condition without noise, which exists in experiments only."""


class Parts(NamedTuple):
    """A system that separates: its network, and its conditions in training and test."""

    separator: str
    trained: str
    tested: str

    @property
    def oracle(self) -> bool:
        """Whether its input exists in experiments only."""
        return self.tested == ORACLE

    @property
    def denoiser(self) -> str | None:
        """The denoiser of its input, if there is one."""
        return systems.input_of(self.tested).denoiser or None

    @property
    def denoised_after(self) -> str:
        """The denoiser of what it separates; empty without one."""
        return systems.denoised_after(self.tested)

    @property
    def matched(self) -> bool:
        """Whether it was trained on its input in the test, with any share of the mixture."""
        return self.trained == str(replace(systems.input_of(self.tested), dry=0))


def system(path: str) -> Parts | None:
    """Return the parts of a system that separates; None for denoisers and where no network does.

    A system of another task that an extension added is shown among them, its task in its name.
    """
    found = System.parse(path)
    model = found.model
    if model.task == DENOISE.name or model.name in NO_NETWORKS:
        return None
    name = model.name if model.task == SEPARATE.name else f"{model.task}-{model.name}"
    return Parts(name, str(model.trained), found.heading)


def denoiser_of(path: str) -> str | None:
    """Return the name of a system that denoises; None for all others."""
    model = System.parse(path).model
    return model.name if model.task == DENOISE.name and model.name != UNPROCESSED else None


def of_denoising(path: str) -> bool:
    """Return whether a system denoises, or is the mixture as one that does nothing."""
    return path == MIXTURE_AS_DENOISED or denoiser_of(path) is not None


def is_oracle(path: str) -> bool:
    """Return whether a system is given what exists in experiments only."""
    parts = system(path)
    return path == MASKED if parts is None else parts.oracle


def separator_of(path: str) -> str:
    """Return the network of a system that separates; empty for all others."""
    parts = system(path)
    return parts.separator if parts else ""


def ceiling_of(path: str) -> str:
    """Return the system of the same network that is trained and tested on clean mixtures."""
    return System(replace(System.parse(path).model, trained=CLEAN), CLEAN).path


def direct_of(path: str) -> str:
    """Return the system of the same network that is trained and tested on noisy mixtures."""
    return systems.direct(System.parse(path)).path


def without_denoiser(path: str) -> list[str]:
    """Return systems without a denoiser to compare one with (`pipeline.evaluation.systems`)."""
    return [other.path for other in systems.without_denoiser(System.parse(path))]


def without_share(path: str) -> str:
    """Return the same system without a share of the mixture in its input."""
    found = System.parse(path)
    return replace(found, tested=replace(found.tested, dry=0)).path


def is_rival(cascade: str, direct: str) -> bool:
    """Return whether a cascade can be held against a direct system, as the answer does."""
    one, other = system(cascade), system(direct)
    if one is None or other is None:
        return False
    return systems.has_rival(*one[1:]) and systems.is_direct(*other[1:])


def with_systems(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column `system`, of paths; the page shows all trainings as run 0."""
    return table.assign(system=paths_of(table.assign(run=0)))


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a long table of scores with the means over the trainings of each network."""
    if scores["run"].nunique() < 2:
        return scores
    keys = [column for column in scores if column not in ("run", "value", "undefined")]
    groups = scores.groupby(keys, sort=False)
    values = groups["value"].mean(), groups["undefined"].first()
    return pd.concat(values, axis=1).reset_index().assign(run=0)


def with_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of comparisons with the columns `system_a` and `system_b`, of paths."""
    table = table.assign(run_a=0, run_b=0)
    return table.assign(**{f"system_{side}": paths_of(table, f"_{side}") for side in "ab"})


def with_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Return times with the columns `stage`, `model` (the timed network) and `system`.

    Only the first training is kept, since the others of a network take the same time.
    """
    table = table[table["run"].astype(str) == "0"]
    trained = table["name"] + ("/" + table["trained"]).where(table["task"] != DENOISE.name, "")
    return with_systems(table).assign(stage=table["task"], model=trained)
