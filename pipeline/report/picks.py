"""Select the mixtures to listen to: by rule, never by hand."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.report.names import metric_of
from pipeline.report.run import Run
from pipeline.report.systems import system, without_share

RANDOM = "drawn at random"


class Pick(NamedTuple):
    """A mixture, the reason for it, its value, and its rank from the best, 1, of `mixtures`."""

    mixture_id: str
    reason: str
    value: float
    place: int
    mixtures: int


def picks(run: Run) -> list[Pick]:
    """Return the mixtures of the listening section in order; none without a main system."""
    values = run.values(run.metric or "")
    if run.main is None or run.main not in values:
        return []
    count = int(run.config.get("report", {}).get("examples", 4))
    low_is_good = metric_of(str(run.metric)).low_is_good
    return pick(values[run.main], count, run.seed, low_is_good)


def listed(run: Run) -> list[str]:
    """Return the ids of the mixtures that `picks` returns."""
    return [chosen.mixture_id for chosen in picks(run)]


def pick(values: pd.Series, count: int, seed: int, low_is_good: bool = False) -> list[Pick]:
    """Pick the median, the best and the worst mixture, then some at random.

    Fewer than `count` are returned if there are fewer mixtures; a mixture with several ranks is
    named by all of them. Mixtures without a value are skipped.

    Args:
        values: a system's value, by mixture.
        count: number of mixtures to pick.
        seed: of the random ones.
        low_is_good: whether the lowest value is the best.
    """
    table = values.dropna().rename("value").rename_axis("mixture_id").reset_index()
    # Ties are broken by name, so that the choice does not depend on the order of the rows.
    order = table.sort_values(["value", "mixture_id"], ascending=[low_is_good, True])
    reasons: dict[int, list[str]] = {}
    for place, reason in _places(len(order), order["mixture_id"].argsort().to_numpy(), seed):
        if place in reasons and reason != RANDOM:
            reasons[place].append(reason)
        elif place not in reasons and len(reasons) < count:
            reasons[place] = [reason]
    rows = list(zip(order["mixture_id"], order["value"], strict=True))
    return [
        Pick(str(rows[place][0]), ", ".join(words), float(rows[place][1]), place + 1, len(rows))
        for place, words in reasons.items()
    ]


def _places(mixtures: int, by_name: np.ndarray, seed: int) -> Iterator[tuple[int, str]]:
    if mixtures:
        yield (mixtures - 1) // 2, "median"
        yield 0, "best"
        yield mixtures - 1, "worst"
    # Drawn from the names, so that a seed means the same mixtures for any scores.
    for place in np.random.default_rng(seed).permutation(mixtures):
        yield int(by_name[place]), RANDOM


def shown_systems(run: Run) -> list[str]:
    """Return the separation systems of the examples: the main one and its counterpart.

    Of one with a share of the mixture, which has scores alone, the same without that share. Only
    those that have estimates; denoisers are shown always.
    """
    named = [name for name in (run.main, run.counterpart) if name and system(name)]
    found = dict.fromkeys(without_share(name) for name in named)
    return [name for name in found if name in run.inputs.estimates]
