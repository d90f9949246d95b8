"""The direct system that a cascade is held against, and how both compare in size."""

from typing import Any, NamedTuple

import pandas as pd

from pipeline.evaluation.costs import COSTS, DEV_SCORE
from pipeline.tasks import SEPARATE
from pipeline.tasks.grammar import NOISY, UNPROCESSED

COMPUTE = ["multiply_adds", "training_compute"]
ARM = ["name", "trained", "tested"]


class Rival(NamedTuple):
    """The network of a direct system, and why it is the rival, in a sentence."""

    name: str
    reason: str


class Rivals:
    """Finds the rival of a cascade.

    Args:
        costs: what `costs.write_costs` wrote.
    """

    def __init__(self, costs: pd.DataFrame) -> None:
        own = costs[(costs["task"] == SEPARATE.name) & (costs["name"] != UNPROCESSED)]
        self.means = own.groupby(ARM)[[*COSTS, DEV_SCORE]].mean()

    def of(self, name: str, trained: str, tested: str) -> Rival:
        """The best direct system on dev that takes at most the compute of a cascade.

        At most the multiply-adds of a pass, and at most those of all its trainings. Where no direct
        system is as small, or costs are not known, it is the cascade's own network without a
        denoiser.
        """
        direct = self.means[
            (self.means.index.get_level_values("trained") == str(NOISY))
            & (self.means.index.get_level_values("tested") == str(NOISY))
        ]
        direct = direct.reset_index(["trained", "tested"], drop=True)
        cascade = self.means.loc[(name, trained, tested)]
        fitting = direct[(direct[COMPUTE] <= cascade[COMPUTE]).all(axis=1)]
        if fitting.empty:
            return Rival(name, _without(direct, cascade))
        best = str(fitting[DEV_SCORE].idxmax())
        if len(fitting) == 1:
            return Rival(best, "No other direct system takes at most the compute of the cascade.")
        scores = fitting[DEV_SCORE].sort_values(ascending=False)
        others = ", ".join(f"{other} {score:.2f} dB" for other, score in scores[1:].items())
        return Rival(
            best,
            f"Of the direct systems that take at most the compute of the cascade, {best} is the"
            f" best on dev ({scores.iloc[0]:.2f} dB; {others}).",
        )


def _without(direct: pd.DataFrame, cascade: pd.Series) -> str:
    if cascade[COMPUTE].isna().any() or direct[COMPUTE].isna().any(axis=None):
        return "The compute of both is not known, so that the rival is the same network."
    return "There is no direct system that takes at most the compute of the cascade."


def sizes(fact: dict[str, Any]) -> str:
    """A sentence on the size and the training compute of both sides of a comparison."""
    if fact["equal_size"] is None or fact["equal_compute"] is None:
        return ""
    size = " and ".join(_size(fact[f"parameters_{side}"]) for side in "ab")
    ratio = f"{fact['training_compute_a'] / fact['training_compute_b']:.2f}"
    if fact["equal_size"] and fact["equal_compute"]:
        return f"The two are of equal size ({size} parameters) and training compute."
    marks = {"equal_size": "size", "equal_compute": "training compute"}
    unequal = [words for mark, words in marks.items() if not fact[mark]]
    return (
        f"The two are not of equal {' and '.join(unequal)} ({size} parameters, {ratio} times the"
        " training compute)."
    )


def _size(parameters: float) -> str:
    """Parameters in words, in millions or in thousands."""
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e5 else f"{parameters / 1e3:.2f} k"
