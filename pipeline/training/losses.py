"""What is minimised: a weighted sum of terms. Signals are `[batch, sources, time]`.

Nothing here imports torch until a loss is computed, so that a configuration is checked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pipeline.base.errors import PipelineError
from pipeline.config import Config
from pipeline.tasks import TASKS

if TYPE_CHECKING:
    from torch import Tensor

SI_SDR_FLOOR = -30.0  # dB: what is separated this well teaches nothing more


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        single: from estimates and targets `[signals, time]` to a value each, `[signals]`.
        pairwise: from `[batch, sources, time]` to the values of all pairs of an estimate and a
            target, `[batch, sources, sources]`, where there is a faster way than pair by pair.
        floor: items, as means over their sources, are cut off below.
    """

    single: Callable[[Tensor, Tensor], Tensor]
    pairwise: Callable[[Tensor, Tensor], Tensor] | None = None
    floor: float | None = None

    def pairs(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """Values of all pairs, `[batch, estimate, target]`."""
        if self.pairwise is not None:
            return self.pairwise(estimates, targets)
        sources = targets.shape[1]
        every = estimates[:, :, None].expand(-1, -1, sources, -1)
        other = targets[:, None].expand_as(every)
        return self.single(every.flatten(0, 2), other.flatten(0, 2)).view(every.shape[:3])

    def cut(self, items: Tensor) -> Tensor:
        """Items `[batch]`, none below the floor."""
        return items if self.floor is None else items.clamp(min=self.floor)


def neg_snr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative signal-to-noise ratio in dB, −10 log10(‖s‖² / ‖s − ŝ‖²), of zero-mean signals.

    Unlike SI-SDR it fixes the scale of the estimate. `[signals, time]` to `[signals]`.
    """
    from pipeline.models.asteroid import singlesrc_neg_snr

    return singlesrc_neg_snr(estimates, targets)


def neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative scale-invariant SDR in dB (Le Roux et al. 2019, arXiv:1811.02508, equation 3).

    −10 log10(‖αs‖² / ‖αs − ŝ‖²) with α = ŝ·s / ‖s‖², of zero-mean signals. `[signals, time]` to
    `[signals]`.
    """
    from pipeline.models.asteroid import singlesrc_neg_sisdr

    return singlesrc_neg_sisdr(estimates, targets)


def pairwise_neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative SI-SDR of all pairs: `[batch, sources, time]` to `[batch, estimate, target]`."""
    from pipeline.models.asteroid import pairwise_neg_sisdr

    return pairwise_neg_sisdr(estimates, targets)


def l1(estimates: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error, mean |s − ŝ| over time. `[signals, time]` to `[signals]`.

    >>> import torch
    >>> l1(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.5000])
    """
    return (estimates - targets).abs().mean(-1)


TERMS = {
    "snr": Term(neg_snr),
    "si_sdr": Term(neg_si_sdr, pairwise_neg_si_sdr, SI_SDR_FLOOR),
    "l1": Term(l1),
}
"""Terms by their names in the configuration. An extension adds its own (`docs/extending.md`)."""


OURS = dict(TERMS)
"""The terms that no extension has added or replaced."""


class Loss:
    """A weighted sum of terms, mean over the sources and the batch.

    Where a task leaves the order of its sources open, each item has the order with the lowest sum:
    permutation-invariant training (Kolbæk et al. 2017, arXiv:1703.06284).

    Args:
        weights: of the terms, by their names in `TERMS`.
        permuted: whether the order of the sources is open.
    """

    def __init__(self, weights: Mapping[str, float], permuted: bool) -> None:
        self.terms = [(TERMS[name], weight) for name, weight in weights.items()]
        self.permuted = permuted

    def __call__(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """The loss of `[batch, sources, time]`."""
        items = self._permuted if self.permuted else self._in_order
        return items(estimates, targets).mean()

    def neg_si_sdr(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """Negative SI-SDR of each item, `[batch]`, in the best order where it is open."""
        pairs = pairwise_neg_si_sdr(estimates, targets)
        return _best_order(pairs)[0] if self.permuted else pairs.diagonal(0, 1, 2).mean(1)

    def ordered(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """The estimates in the order of the targets, `[batch, sources, time]`."""
        return aligned(estimates, targets) if self.permuted else estimates

    def _in_order(self, estimates: Tensor, targets: Tensor) -> Tensor:
        shape = estimates.shape[:2]
        flat = estimates.flatten(0, 1), targets.flatten(0, 1)
        return _sum(
            weight * term.cut(term.single(*flat).view(shape).mean(1)) for term, weight in self.terms
        )

    def _permuted(self, estimates: Tensor, targets: Tensor) -> Tensor:
        pairs = [term.pairs(estimates, targets) for term, _ in self.terms]
        weighted = [weight * each for each, (_, weight) in zip(pairs, self.terms, strict=True)]
        lowest, order = _best_order(_sum(weighted))
        if len(pairs) == 1:
            [(term, weight)] = self.terms
            return weight * term.cut(lowest / weight)
        chosen = (each.gather(1, order[:, None])[:, 0].mean(1) for each in pairs)
        return _sum(
            weight * term.cut(items)
            for items, (term, weight) in zip(chosen, self.terms, strict=True)
        )


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    return reduce(add, tensors)


def check_losses(config: Config) -> None:
    """Check the terms of every network's loss before anything is computed.

    Raises:
        PipelineError: one line that names the key.
    """
    for task in TASKS.values():
        for name in getattr(config, task.section):
            given = config.training_of(task.section, name).loss or task.loss
            if unknown := [term for term in given if term not in TERMS]:
                raise PipelineError(
                    f"config: {task.section}.{name}.training.loss: '{unknown[0]}' is no term;"
                    f" allowed: {', '.join(TERMS)}"
                )


def best_neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative SI-SDR of each item under its best permutation: `[batch]`."""
    return _best_order(pairwise_neg_si_sdr(estimates, targets))[0]


def aligned(estimates: Tensor, targets: Tensor) -> Tensor:
    """The estimates in the order that fits the targets best: `[batch, sources, time]`."""
    from pipeline.models.asteroid import PITLossWrapper

    _, order = _best_order(pairwise_neg_si_sdr(estimates, targets))
    return PITLossWrapper.reorder_source(estimates, order)


def _best_order(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest mean over the sources, `[batch]`, and the estimate for each target.

    asteroid tries all permutations up to 3 sources and uses the Hungarian method above.
    """
    from pipeline.models.asteroid import PITLossWrapper

    return PITLossWrapper.find_best_perm(pairs)
