"""The network of GateWave."""

from collections.abc import Callable
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.gatewave import Arguments

EPSILON = 1e-8
"""Added to the standard deviation of a mixture, and to variances in norms."""


class GateWave(nn.Module):
    """Gated convolutions down, a GRU in both directions and a linear layer, gated ones up.

    A gated convolution is the product of a convolution and the sigmoid of another one (Dauphin et
    al. 2017, arXiv:1612.08083). Level i = 0 … depth - 1 has `channels` 2^i channels; its output is
    added to the input of its counterpart on the way up. The GRU has as many units in each
    direction as the last level has channels, and the linear layer maps both to that number.

    A norm with a gain and a shift for each channel precedes every gated convolution, and there is
    none on the estimates. With a norm after each instead, none on the estimates, two parameters
    would be missing to the 20,811,652 of the defaults for one source. The norms are over all
    channels and frames of a recording (gLN of Conv-TasNet, equation 11), and not over a batch, so
    that neither the size of a batch nor the number of devices changes the estimates. As
    norms lose the level of a mixture, it is divided by its standard deviation, and the estimates
    are multiplied by it.
    """

    def __init__(self, arguments: Arguments, num_sources: int) -> None:
        super().__init__()
        self.arguments, a = arguments, arguments
        widths = [a.channels * 2**level for level in range(a.depth)]
        shape, last = (a.kernel_size, a.stride), widths[-1]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for above, width in zip([1, *widths], widths, strict=False):
            self.down.append(Gated(nn.Conv1d, above, width, *shape))
        for above, width in zip([num_sources, *widths], widths, strict=False):
            self.up.insert(0, Gated(nn.ConvTranspose1d, width, above, *shape))
        self.recurrent = nn.GRU(last, last, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * last, last)

    def forward(self, mixtures: Tensor) -> Tensor:
        """Estimate the sources: `[batch, time]` to `[batch, sources, time]`."""
        time = mixtures.shape[-1]
        scales = mixtures.std(-1, correction=0, keepdim=True)
        signals = mixtures / (scales + EPSILON)
        signals = F.pad(signals, (0, self.arguments.whole(time) - time))[:, None]
        skips = []
        for level in self.down:
            signals = level(signals)
            skips.append(signals)
        signals = self.linear(self.recurrent(signals.transpose(1, 2))[0]).transpose(1, 2)
        for level, skip in zip(self.up, reversed(skips), strict=True):
            signals = level(signals + skip)
        return signals[..., :time] * scales[:, None]


class Gated(nn.Module):
    """A norm, then a convolution times the sigmoid of another one."""

    def __init__(self, kind: Callable[[int, int, int, int], nn.Module], *shape: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, shape[0], EPSILON)
        self.values, self.gates = kind(*shape), kind(*shape)

    def forward(self, frames: Tensor) -> Tensor:
        """Map `[batch, channels, frames]` to `[batch, channels', frames']`."""
        frames = self.norm(frames)
        return cast(Tensor, self.values(frames) * self.gates(frames).sigmoid())
