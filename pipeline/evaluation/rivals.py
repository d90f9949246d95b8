"""The direct system that a cascade is held against, and how both compare in size."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.evaluation.costs import COMPUTE, COSTS, DEV_SCORE, JOINT
from pipeline.evaluation.systems import ARM
from pipeline.tasks import SEPARATE
from pipeline.tasks.grammar import NOISY

TAKEN = ["multiply_adds", "training_compute"]


class Rival(NamedTuple):
    """The network of a direct system, and why it is the rival, in a sentence."""

    name: str
    reason: str


class Rivals:
    """Finds the rival of a cascade, or of a `joint` system: a chain, which denoises by itself.

    Args:
        costs: what `costs.write_costs` wrote.
    """

    def __init__(self, costs: pd.DataFrame) -> None:
        own = costs[costs["task"] == SEPARATE.name]
        self.means = own.groupby(ARM[1:])[[*COSTS, DEV_SCORE]].mean()
        self.joint = set(own.loc[own[JOINT].astype(bool), "name"])

    def of(self, name: str, trained: str, tested: str) -> Rival | None:
        """The best direct system on dev that takes at most the compute of a cascade.

        At most the multiply-adds of a pass, and at most those of all its trainings; more by less
        than `COMPUTE` counts as equal. Where there is none, it is the cascade's own network without
        a denoiser, or else the smallest direct system; None where no system is direct.
        """
        levels = self.means.index.get_level_values
        direct = self.means[
            (levels("trained") == str(NOISY))
            & (levels("tested") == str(NOISY))
            & ~levels("name").isin(self.joint)
        ].reset_index(["trained", "tested"], drop=True)
        if direct.empty:
            return None
        cascade = self.means.loc[(name, trained, tested)]
        fitting = direct[(direct[TAKEN] * (1 - COMPUTE) <= cascade[TAKEN]).all(axis=1)]
        fitting = fitting[fitting[DEV_SCORE].notna()]
        unknown = list(direct.index[direct[TAKEN].isna().any(axis=1)])
        if fitting.empty:
            nearest = (
                name if name in direct.index else str(direct["parameters"].fillna(np.inf).idxmin())
            )
            return Rival(nearest, _without(cascade, unknown))
        scores = fitting[DEV_SCORE].sort_values(ascending=False)
        return Rival(str(scores.index[0]), _chosen(scores, unknown))


def _chosen(scores: "pd.Series[float]", unknown: list[str]) -> str:
    """Why the first of the direct systems that are small enough is the rival."""
    left_out = f" The compute of {', '.join(unknown)} is not known." if unknown else ""
    if len(scores) == 1:
        return f"No other direct system takes at most the compute of the cascade.{left_out}"
    others = ", ".join(f"{name} {score:.2f} dB" for name, score in scores.iloc[1:].items())
    return (
        f"Of the direct systems that take at most the compute of the cascade, {scores.index[0]} is"
        f" the best on dev ({scores.iloc[0]:.2f} dB; {others}).{left_out}"
    )


def _without(cascade: "pd.Series[float]", unknown: list[str]) -> str:
    if cascade[TAKEN].isna().any():
        return "The compute of the cascade is not known, so that it has no rival of its compute."
    if unknown:
        return (
            "No direct system is known to take at most the compute of the cascade (not known:"
            f" {', '.join(unknown)})."
        )
    return "There is no direct system that takes at most the compute of the cascade."


def sizes(fact: dict[str, Any]) -> str:
    """A sentence on the size and the training compute of both sides of a comparison."""
    if fact["equal_size"] is None or fact["equal_compute"] is None:
        return ""
    size = " and ".join(_size(fact[f"parameters_{side}"]) for side in "ab")
    if fact["equal_size"] and fact["equal_compute"]:
        return f"The two are of equal size ({size} parameters) and training compute."
    marks = {"equal_size": "size", "equal_compute": "training compute"}
    unequal = [words for mark, words in marks.items() if not fact[mark]]
    ratio = fact["training_compute_a"] / fact["training_compute_b"]
    return (
        f"The two are not of equal {' and '.join(unequal)} ({size} parameters, {ratio:.2f} times"
        " the training compute)."
    )


def _size(parameters: float) -> str:
    """Parameters in words, in millions or in thousands."""
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e5 else f"{parameters / 1e3:.2f} k"
