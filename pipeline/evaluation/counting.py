"""How many speakers a separator finds, where mixtures differ in their number of speakers."""

import pandas as pd

COUNTED = "counted"
MISSED, EXTRA = "missed", "extra"
COUNTING = (COUNTED, MISSED, EXTRA)
"""Metrics of a whole mixture, of systems that find out how many speakers there are."""


def counting(speakers: int, found: int) -> dict[str, float]:
    """Return the metrics of counting for one mixture.

    Args:
        speakers: that it has.
        found: outputs of the separator that have a speaker.

    Returns:
        `counted`, 100 (%) if both are equal, else 0; `missed`, the speakers without an output;
        `extra`, the outputs without a speaker.

    >>> counting(3, 2)
    {'counted': 0.0, 'missed': 1.0, 'extra': 0.0}
    """
    return {
        COUNTED: 100.0 * (found == speakers),
        MISSED: float(max(speakers - found, 0)),
        EXTRA: float(max(found - speakers, 0)),
    }


def confusion(scores: pd.DataFrame, speakers: "pd.Series[int]") -> pd.DataFrame:
    """Return how often each number of speakers was found for each true number.

    Args:
        scores: the rows of one system in a long table of scores, of all its trainings.
        speakers: the true number of each mixture, by `mixture_id`.

    Returns:
        Mixtures, times trainings, `[speakers, found]`: a row for each true number and a column
        for each number from the lowest of both to the highest.
    """
    keys = ["run", "mixture_id"]
    table = scores[scores["metric"].isin([MISSED, EXTRA])]
    numbers = table.pivot(index=keys, columns="metric", values="value")
    true = speakers.reindex(numbers.index.get_level_values("mixture_id")).to_numpy()
    found = (true - numbers[MISSED] + numbers[EXTRA]).astype(int).to_numpy()
    counts = pd.crosstab(pd.Series(true, name="speakers"), pd.Series(found, name="found"))
    columns = range(min(true.min(), found.min()), max(true.max(), found.max()) + 1)
    return counts.reindex(columns=columns, fill_value=0)
