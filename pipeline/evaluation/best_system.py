"""Say which separation system scored highest."""

from typing import Any

from pipeline.evaluation.systems import denoised_after, has_denoiser, input_of
from pipeline.tasks import SEPARATE
from pipeline.tasks.grammar import CLEAN, NO_NETWORKS, Condition

Fact = dict[str, Any]


def best_system(means: list[Fact]) -> list[Fact]:
    """The best system whose input is not the clean mixture, if several have a denoiser."""
    scored = [row for row in separations(means) if row["mean"] is not None]
    real = [row for row in scored if input_of(row["tested"]) != CLEAN]
    if sum(has_denoiser(row["tested"]) for row in real) < 2:
        return []
    best = max(real, key=lambda row: float(row["mean"]))
    trained, given = Condition.parse(best["trained"]), input_of(best["tested"])
    after = denoised_after(best["tested"])
    sentence = (
        f"The best system without access to the clean mixture is {best['name']} trained on"
        f" {_mixtures(trained)} and given {_mixtures(given)}"
        f"{f', its outputs denoised with {after}' if after else ''}: {best['mean']:.2f} dB SI-SDRi"
        f"{'' if best['mean'] > 0 else ', which is no better than the mixture itself'}."
    )
    return [{"kind": "best", "separator": best["name"]} | best | {"sentence": sentence}]


def separations(means: list[Fact]) -> list[Fact]:
    """The rows of systems that separate."""
    return [r for r in means if r["task"] == SEPARATE.name and r["name"] not in NO_NETWORKS]


def _mixtures(condition: Condition) -> str:
    """`noisy mixtures`, `mixtures denoised with <denoiser>`."""
    if condition.kind == "denoised":
        share = f" (with {condition.dry} % of the noisy one)" if condition.dry else ""
        return f"mixtures denoised with {condition.denoiser}{share}"
    return f"{condition.kind} mixtures"
