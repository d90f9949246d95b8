"""Short names of systems in tests, and the columns and paths that stand for them.

`conv/clean/noisy` separates, trained on clean and tested on noisy mixtures, `denoised-conv`
denoises, `mixture` and `mixture-mix_clean` are the unprocessed mixture of the two tasks,
`ideal_mask` is the oracle.
"""

import pandas as pd

from pipeline.evaluation.costs import COSTS
from pipeline.tasks.grammar import IDEAL_MASK, NO_NETWORKS, SYSTEM, System

UNPROCESSED = {"mixture": "separate", "mixture-mix_clean": "denoise"}


def path_of(short: str) -> str:
    """The path of a system, `separate/conv/clean/0/noisy`; one that is a path already stays."""
    if short.count("/") == 4:
        return short
    if short in UNPROCESSED:
        return f"{UNPROCESSED[short]}/mixture/untrained/0/noisy"
    if short == IDEAL_MASK:
        return f"separate/{IDEAL_MASK}/untrained/0/noisy"
    if short.startswith("denoised-"):
        return f"denoise/{short.removeprefix('denoised-')}/noisy/0/noisy"
    network, trained, tested = short.split("/")
    return f"separate/{network}/{trained}/0/{tested}"


def short_of(task: str, name: str, trained: str, tested: str) -> str:
    """The short name of a system, from its columns."""
    if name == "mixture":
        return next(short for short, of in UNPROCESSED.items() if of == task)
    if name == IDEAL_MASK:
        return name
    return f"denoised-{name}" if task == "denoise" else f"{name}/{trained}/{tested}"


def with_columns(table: pd.DataFrame, side: str = "") -> pd.DataFrame:
    """A table with the columns of systems in the place of `system`, or of `system_a`."""
    column = f"system{side}"
    rows = [System.parse(path_of(short)).columns for short in table[column]]
    found = pd.DataFrame(rows, columns=SYSTEM, index=table.index)
    found = found.rename(columns=lambda name: name if name == "task" else f"{name}{side}")
    place = table.columns.get_loc(column)
    left, right = table.iloc[:, :place], table.iloc[:, place + 1 :]
    found = found[[name for name in found if name not in left]]
    return pd.concat([left, found, right], axis=1)


def with_short(table: pd.DataFrame, side: str = "") -> pd.DataFrame:
    """A table with the short names of systems in the column `system`, or `system_a`."""
    columns = ["task", *(f"{name}{side}" for name in ("name", "trained", "tested"))]
    shorts = [short_of(*map(str, values)) for values in table[columns].to_numpy()]
    return table.assign(**{f"system{side}": shorts})


def costs_of(shorts, values=None) -> pd.DataFrame:
    """A row of `costs.csv` for each system that separates: a denoiser doubles its costs.

    Costs named in `values` are laid over it, by the short name of a system.
    """
    rows = []
    for short in shorts:
        system = System.parse(path_of(short))
        if system.model.task == "separate" and system.model.name not in NO_NETWORKS:
            unit = 1 + (system.tested.kind == "denoised" or bool(system.after))
            costs = {"parameters": 1e6, "multiply_adds": 1e8, "steps": 100}
            costs |= {"training_compute": 1e12, "minutes": 2.0}
            row = {name: cost * unit for name, cost in costs.items()}
            row |= {"dev_si_sdri": 1.0, "joint": False}
            rows.append(system.columns | row | (values or {}).get(short, {}))
    return pd.DataFrame(rows, columns=[*SYSTEM, *COSTS, "dev_si_sdri", "joint"])
