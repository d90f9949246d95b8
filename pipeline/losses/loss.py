"""A weighted sum of terms. Signals are `[batch, sources, time]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from pipeline.losses import parse_terms
from pipeline.losses.absent import is_absent
from pipeline.losses.waveform import pairwise_neg_si_sdr

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """A weighted sum of terms, mean over the sources and the batch.

    Where a task leaves the order of its sources open, each item has the order with the lowest sum:
    permutation-invariant training (Kolbæk et al. 2017, arXiv:1703.06284).

    Args:
        terms: from the name of each term to its weight, or to its weight and arguments.
        permuted: whether the order of the sources is open.
        sample_rate: of the signals, in Hz.
        absent: whether a target that is zero is that of an absent speaker, of whom the estimate has
            to be silent (`pipeline.losses.absent`).
    """

    def __init__(
        self, terms: Mapping[str, Any], permuted: bool, sample_rate: int, absent: bool = False
    ) -> None:
        self.terms = parse_terms(terms, sample_rate)
        self.permuted, self.absent = permuted, absent

    def __call__(
        self, estimates: Tensor, targets: Tensor, mixtures: Tensor | None = None
    ) -> Tensor:
        """The loss of `[batch, sources, time]`, in mixtures `[batch, time]`."""
        return self.total(self.parts(estimates, targets, mixtures=mixtures))

    def parts(
        self,
        estimates: Tensor,
        targets: Tensor,
        noise: tuple[Tensor, Tensor] | None = None,
        mixtures: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The value of each term by its name, without its weight.

        `noise` is a further estimate and its target, `[batch, time]`, whose place is fixed. The
        `mixtures`, `[batch, time]`, are needed where speakers may be absent.
        """
        items = self._permuted if self.permuted else self._in_order
        absent = mixtures if self.absent else None
        found = {name: each.mean() for name, each in items(estimates, targets, absent).items()}
        if noise is None:
            return found
        last, sources = self._in_order(*(signal[:, None] for signal in noise)), targets.shape[1]
        return {
            name: (sources * value + last[name].mean()) / (sources + 1)
            for name, value in found.items()
        }

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the values of the terms."""
        return _sum(weight * parts[name] for name, _, weight in self.terms)

    def neg_si_sdr(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """Negative SI-SDR of each item, `[batch]`, in the best order where it is open.

        Where speakers may be absent it is the mean over those that are there.
        """
        pairs = _fits(estimates, targets, self.absent)
        mean = _best_order(pairs)[0] if self.permuted else pairs.diagonal(0, 1, 2).mean(1)
        if not self.absent:
            return mean
        return mean * targets.shape[1] / (~is_absent(targets)).sum(1).clamp(min=1)

    def ordered(self, estimates: Tensor, targets: Tensor) -> Tensor:
        """The estimates in the order of the targets, `[batch, sources, time]`."""
        return aligned(estimates, targets, self.absent) if self.permuted else estimates

    def _in_order(
        self, estimates: Tensor, targets: Tensor, mixtures: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The values of each term for each item."""
        return {
            name: term.cut(term.values(estimates, targets, mixtures).mean(1))
            for name, term, _ in self.terms
        }

    def _permuted(
        self, estimates: Tensor, targets: Tensor, mixtures: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The values of each term for each item, in the order with the lowest weighted sum."""
        pairs = [term.pairs(estimates, targets, mixtures) for _, term, _ in self.terms]
        if len(pairs) == 1:  # its weight does not change the order
            [(name, term, _)] = self.terms
            return {name: term.cut(_best_order(pairs[0])[0])}
        weights = [weight for _, _, weight in self.terms]
        _, order = _best_order(_sum(w * each for w, each in zip(weights, pairs, strict=True)))
        chosen = (each.gather(1, order[:, None])[:, 0].mean(1) for each in pairs)
        return {
            name: term.cut(items) for items, (name, term, _) in zip(chosen, self.terms, strict=True)
        }


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    return reduce(add, tensors)


def best_neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative SI-SDR of each item under its best permutation: `[batch]`."""
    return _best_order(pairwise_neg_si_sdr(estimates, targets))[0]


def aligned(estimates: Tensor, targets: Tensor, absent: bool = False) -> Tensor:
    """The estimates in the order that fits the targets best: `[batch, sources, time]`."""
    from pipeline.models.asteroid import PITLossWrapper

    _, order = _best_order(_fits(estimates, targets, absent))
    return PITLossWrapper.reorder_source(estimates, order)


def _fits(estimates: Tensor, targets: Tensor, absent: bool) -> Tensor:
    """Negative SI-SDR of all pairs, `[batch, estimate, target]`; 0 where a speaker is absent."""
    pairs = pairwise_neg_si_sdr(estimates, targets)
    return pairs.masked_fill(is_absent(targets)[:, None], 0) if absent else pairs


def _best_order(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest mean over the sources, `[batch]`, and the estimate for each target.

    asteroid tries all permutations up to 3 sources and uses the Hungarian method above.
    """
    from pipeline.models.asteroid import PITLossWrapper

    return PITLossWrapper.find_best_perm(pairs)
