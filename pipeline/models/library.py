"""Networks of asteroid as entries of the registry."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.asteroid import GlobLN
from pipeline.models.prelu import PReLU

EPSILON = 1e-8
"""Added to variances by asteroid's norms."""


class Library(nn.Module):
    """A network of asteroid for recordings of any length, however short.

    Maps `[batch, time]` to `[batch, sources, time]`. The tensors of `network` have the names that
    they have in asteroid; some of its layers are done faster.
    """

    def __init__(self, network: Any, shortest: int) -> None:
        super().__init__()
        self.network, self.shortest = hasten(network), shortest

    def forward(self, mixture: Tensor) -> Tensor:
        """Estimate the sources; a recording below `shortest` samples gets zeros behind it."""
        time = mixture.shape[-1]
        padded = F.pad(mixture, (0, max(self.shortest - time, 0)))
        return self.network(padded)[..., :time]


class GlobalNorm(nn.Module):
    """Mean 0 and variance 1 over all channels and frames, then a gain and a shift for each channel.

    asteroid's takes six passes over memory and leaves its output transposed, which every layer
    after it copies first.
    """

    def __init__(self, of: GlobLN) -> None:
        super().__init__()
        self.gamma, self.beta = of.gamma, of.beta

    def forward(self, frames: Tensor) -> Tensor:
        """Normalise `[batch, channels, …]`."""
        return F.group_norm(frames, 1, self.gamma, self.beta, EPSILON)


def hasten(network: nn.Module) -> nn.Module:
    """Put faster layers with the same tensors in the place of asteroid's. Returns the network."""
    for name, layer in network.named_children():
        if isinstance(layer, GlobLN):
            setattr(network, name, GlobalNorm(layer))
        elif type(layer) is nn.PReLU and layer.num_parameters == 1:
            setattr(network, name, fast := PReLU())
            fast.weight = layer.weight
        else:
            hasten(layer)
    return network
