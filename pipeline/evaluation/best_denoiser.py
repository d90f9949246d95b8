"""Say which denoiser scored highest, for a run without separators."""

from typing import Any

from pipeline.evaluation.trainings import holm
from pipeline.tasks import DENOISE
from pipeline.tasks.grammar import UNPROCESSED

QUESTION = "Which denoiser is the best?"

Fact = dict[str, Any]


def best_denoiser(
    pairs: list[Fact], means: list[Fact], trainings: int, trained: bool = True
) -> list[Fact]:
    """Return a fact with the sentence on the denoiser whose mean is the highest, or nothing.

    Over several trainings it is better than another where the p value, adjusted for all pairs of
    denoisers (Holm 1979), is low enough: which one has the highest mean is partly luck. Those that
    have no value on some mixtures stand last, since these may be the hard ones.

    Args:
        pairs: the comparisons of one metric.
        means: the summary of the same metric.
        trainings: of each denoiser.
        trained: whether there is one that is trained here.

    Returns:
        the `denoiser`, its `mean` with `low` and `high`, the number of `comparisons`, and the
        `others`, the best of them first, with the `difference` of the best one to each.
    """
    own = [row for row in means if row["task"] == DENOISE.name and row["name"] != UNPROCESSED]
    scored = [row for row in own if row["mean"] is not None]
    scored.sort(key=lambda row: (row["missing"] > 0, -row["mean"]))
    if not scored:
        return []
    best, *rest = scored
    found = _adjusted([pair for pair in pairs if pair["task"] == DENOISE.name])
    fact = {
        **{"kind": "best-denoiser", "denoiser": best["name"]},
        **{"trainings": trainings, "trained": trained},
        **{name: best[name] for name in ("mean", "low", "high", "mixtures")},
        "comparisons": sum(pair["p_value"] is not None for pair in found.values()),
        "incomplete": [row["name"] for row in scored if row["missing"]],
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
    values = [pair.get(name) for name in ("difference", "low", "high")]
    if backward:
        values = [None if v is None else -v for v in (values[0], values[2], values[1])]
    difference, low, high = values
    p_value, level = pair.get("p_value_adjusted"), 1 - pair.get("confidence", 1)
    above = difference is not None and difference > 0
    return {
        **{"denoiser": row["name"], "mean": row["mean"], "difference": difference},
        **{"low": low, "high": high, "confidence": pair.get("confidence")},
        **{"p_value_adjusted": p_value},
        "shown": above and p_value is not None and p_value < level,
    }


def counted(mixtures: int) -> str:
    """The number of mixtures in words."""
    return "1 mixture" if mixtures == 1 else f"{mixtures} mixtures"


def _sentence(fact: Fact) -> str:
    trainings, others = fact["trainings"], fact["others"]
    several = fact["trained"] and trainings > 1
    when = f"Over {trainings} trainings" if several else "In this run"
    what = f"the highest SI-SDRi of {len(others) + 1} denoisers:" if others else "an SI-SDRi of"
    many = counted(fact["mixtures"])
    interval = "" if fact["low"] is None else f"{fact['low']:.2f} to {fact['high']:.2f}, "
    said = f"{when} {fact['denoiser']} reached {what} {fact['mean']:.2f} dB ({interval}{many})"
    if not others:
        return f"{said}."
    last = ", ".join(fact["incomplete"])
    end = f" Without a value on some mixtures, and so ranked last: {last}." if last else ""
    if not fact["comparisons"]:
        return f"{said}; next is {_gap(others[0])}.{end}"
    tests = fact["comparisons"]
    adjusted = f"; p values are adjusted for {tests} pairs" if tests > 1 else ""
    return f"{said}. It {_verdicts(others)}{adjusted}.{end}"


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
        interval = f", {percent} interval {-other['high']:.2f} to {-other['low']:.2f}"
    if other["difference"] is None:
        return f"{other['denoiser']} ({other['mean']:.2f} dB)"
    direction = "lower" if other["difference"] >= 0 else "higher, on the mixtures of both"
    return f"{other['denoiser']} ({abs(other['difference']):.2f} dB {direction}{interval})"
