"""Networks of asteroid as entries of the registry."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Library(nn.Module):
    """A network of asteroid for recordings of any length, however short.

    Maps `[batch, time]` to `[batch, sources, time]`. The tensors of `network` have the names that
    they have in asteroid.
    """

    def __init__(self, network: Any, shortest: int) -> None:
        super().__init__()
        self.network, self.shortest = network, shortest

    def forward(self, mixture: Tensor) -> Tensor:
        """Estimate the sources; a recording below `shortest` samples gets zeros behind it."""
        time = mixture.shape[-1]
        padded = F.pad(mixture, (0, max(self.shortest - time, 0)))
        return self.network(padded)[..., :time]
