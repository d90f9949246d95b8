"""Say which denoiser scored highest, for a run without separators."""

from typing import Any

from pipeline.evaluation.trainings import holm
from pipeline.tasks import DENOISE
from pipeline.tasks.grammar import UNPROCESSED

QUESTION = "Which denoiser is the best?"

Fact = dict[str, Any]


def best_denoiser(pairs: list[Fact], means: list[Fact], trainings: int) -> list[Fact]:
    """Return a fact with the sentence on the denoiser whose mean is the highest, or nothing.

    Over several trainings it is better than another where the p value, adjusted for all pairs of
    denoisers (Holm 1979), is low enough: which one has the highest mean is partly luck.

    Args:
        pairs: the comparisons of one metric.
        means: the summary of the same metric.
        trainings: of each denoiser.

    Returns:
        the `denoiser`, its `mean` with `low` and `high`, the number of `comparisons`, and the
        `others`, the best of them first, with the `difference` of the best one to each.
    """
    own = [row for row in means if row["task"] == DENOISE.name and row["name"] != UNPROCESSED]
    scored = sorted((row for row in own if row["mean"] is not None), key=lambda row: -row["mean"])
    if not scored:
        return []
    best, *rest = scored
    found = _adjusted([pair for pair in pairs if pair["task"] == DENOISE.name])
    fact = {
        **{"kind": "best-denoiser", "denoiser": best["name"], "trainings": trainings},
        **{name: best[name] for name in ("mean", "low", "high", "mixtures")},
        "comparisons": len(found),
        "others": [_other(best, row, found) for row in rest],
    }
    return [fact | {"sentence": _sentence(fact)}]


def _adjusted(pairs: list[Fact]) -> dict[tuple[str, str], Fact]:
    """Comparisons by their denoisers, p values adjusted where they are known."""
    known = [pair for pair in pairs if pair["p_value"] is not None]
    values = holm([pair["p_value"] for pair in known])
    adjusted = {id(pair): value for pair, value in zip(known, values, strict=True)}
    return {
        (pair["name_a"], pair["name_b"]): pair | {"p_value_adjusted": adjusted.get(id(pair))}
        for pair in pairs
    }


def _other(best: Fact, row: Fact, found: dict[tuple[str, str], Fact]) -> Fact:
    """One of the others, and how far the best one is above it."""
    names = best["name"], row["name"]
    forward, backward = found.get(names), found.get(names[::-1])
    pair = forward or backward or {}
    ends = [pair.get("low"), pair.get("high")]
    if backward:
        ends = [None if end is None else -end for end in reversed(ends)]
    worse = (pair.get("p_value_adjusted") or 1) < 1 - pair.get("confidence", 1)
    return {
        **{"denoiser": row["name"], "mean": row["mean"], "difference": best["mean"] - row["mean"]},
        **{"low": ends[0], "high": ends[1], "confidence": pair.get("confidence")},
        **{"p_value_adjusted": pair.get("p_value_adjusted"), "shown": worse},
    }


def _sentence(fact: Fact) -> str:
    trainings, others = fact["trainings"], fact["others"]
    when = "In this run" if trainings == 1 else f"Over {trainings} trainings"
    what = f"the highest SI-SDRi of {len(others) + 1} denoisers:" if others else "an SI-SDRi of"
    counted = "1 mixture" if fact["mixtures"] == 1 else f"{fact['mixtures']} mixtures"
    interval = "" if fact["low"] is None else f"{fact['low']:.2f} to {fact['high']:.2f}, "
    said = f"{when} {fact['denoiser']} reached {what} {fact['mean']:.2f} dB ({interval}{counted})"
    if not others:
        return f"{said}."
    if trainings == 1:
        return f"{said}; next is {_gap(others[0])}."
    return f"{said}. It {_verdicts(others)} (p values adjusted for {fact['comparisons']} pairs)."


def _verdicts(others: list[Fact]) -> str:
    """The others that are shown to be worse, and those of which it is not shown."""
    sure = [other["denoiser"] for other in others if other["shown"]]
    unsure = [_gap(other) for other in others if not other["shown"]]
    said = [f"is better than {', '.join(sure)}"] if sure else []
    said += [f"is not shown to be better than {', '.join(unsure)}"] if unsure else []
    return ", and ".join(said)


def _gap(other: Fact) -> str:
    interval = ""
    if other["low"] is not None:
        percent = f"{100 * other['confidence']:g} %"
        interval = f", {percent} interval {other['low']:.2f} to {other['high']:.2f}"
    return f"{other['denoiser']} ({other['difference']:.2f} dB lower{interval})"
