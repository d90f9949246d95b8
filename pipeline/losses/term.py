"""Terms of losses. Nothing here imports torch, so that a configuration is checked at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import Section
from pipeline.losses.absent import is_absent

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        single: from estimates and targets `[signals, time]` to a value each, `[signals]`.
        pairwise: from `[batch, sources, time]` to the values of all pairs of an estimate and a
            target, `[batch, sources, sources]`, where there is a faster way than pair by pair.
        floor: items, as means over their sources, are cut off below.
        absent: from estimates and mixtures `[batch, sources, time]` to the values
            `[batch, sources]` that replace those of `single` where the target is that of an absent
            speaker, zero. None where `single` fits, too.
    """

    single: Callable[[Tensor, Tensor], Tensor]
    pairwise: Callable[[Tensor, Tensor], Tensor] | None = None
    floor: float | None = None
    absent: Callable[[Tensor, Tensor], Tensor] | None = None

    def values(self, estimates: Tensor, targets: Tensor, mixtures: Tensor | None = None) -> Tensor:
        """Values of estimates and targets in the same order, `[batch, sources]`.

        With `mixtures` `[batch, time]` a target that is zero is that of an absent speaker.
        """
        flat = self.single(estimates.flatten(0, 1), targets.flatten(0, 1))
        values = flat.view(estimates.shape[:2])
        if mixtures is None or self.absent is None:
            return values
        return self.absent(estimates, mixtures[:, None]).where(is_absent(targets), values)

    def pairs(self, estimates: Tensor, targets: Tensor, mixtures: Tensor | None = None) -> Tensor:
        """Values of all pairs, `[batch, estimate, target]`; `mixtures` as in `values`."""
        pairs = self._pairs(estimates, targets)
        if mixtures is None or self.absent is None:
            return pairs
        levels = self.absent(estimates, mixtures[:, None])[:, :, None]
        return levels.where(is_absent(targets)[:, None], pairs)

    def _pairs(self, estimates: Tensor, targets: Tensor) -> Tensor:
        if self.pairwise is not None:
            return self.pairwise(estimates, targets)
        sources = targets.shape[1]
        every = estimates[:, :, None].expand(-1, -1, sources, -1)
        other = targets[:, None].expand_as(every)
        return self.single(every.flatten(0, 2), other.flatten(0, 2)).view(every.shape[:3])

    def cut(self, items: Tensor) -> Tensor:
        """Items `[batch]`, none below the floor."""
        return items if self.floor is None else items.clamp(min=self.floor)


@dataclass(frozen=True)
class Settable:
    """A term with arguments.

    Attributes:
        arguments: section of the configuration that types them, beside the `weight`.
        build: from the arguments and the sample rate in Hz to the term.
    """

    arguments: type[Section]
    build: Callable[[Any, int], Term]
