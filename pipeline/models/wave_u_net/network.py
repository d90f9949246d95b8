"""The network of Wave-U-Net."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.wave_u_net import DOWN, UP, Arguments

SLOPE = 0.2
"""Of LeakyReLU for negative values; the paper does not give one."""


class WaveUNet(nn.Module):
    """A U-Net of convolutions on the waveform, with decimation (section 3.1, table 1).

    Level i = 1 … L has a convolution of F i filters of 15 frames, of whose output every second
    frame goes on to the next level; below the last is one of F (L + 1) filters. On the way back
    frames are interpolated linearly, joined with the output of the level before its decimation,
    and go through F i filters of 5 frames. A layer of single frames with tanh maps the last
    features, joined with the mixture, to the sources. Every convolution has a bias, and there are
    no norms; for one source this gives 10,263,002 parameters at L 12 and 4,625,186 at L 9, F 24.

    Beyond its ends a recording is zero at every level, also after its end in a padded batch.
    """

    def __init__(self, arguments: Arguments, num_sources: int) -> None:
        super().__init__()
        self.levels = arguments.L
        widths = [arguments.F * level for level in range(1, arguments.L + 2)]
        self.down = nn.ModuleList(_convolutions([1, *widths[:-2]], widths[:-1], DOWN))
        self.bottom = nn.Conv1d(widths[-2], widths[-1], DOWN, padding=DOWN // 2)
        joined = [a + b for a, b in pairwise(widths)]
        self.up = nn.ModuleList(_convolutions(joined, widths[:-1], UP))
        self.last = nn.Conv1d(widths[0] + 1, num_sources, 1)

    def forward(self, mixtures: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Estimate the sources.

        Args:
            mixtures: `[batch, time]`.
            lengths: `[batch]`, samples of each mixture if shorter ones are padded with zeros; each
                estimate is then the same as without padding.

        Returns:
            `[batch, sources, time]`.
        """
        time = mixtures.shape[-1]
        signals = F.pad(mixtures, (0, -time % 2**self.levels))[:, None]
        valid = None if lengths is None else self._valid(lengths, signals)
        features, skips = signals, []
        for level, convolve in enumerate(self.down):
            skips.append(_activated(convolve(features), valid, level))
            features = skips[-1][..., ::2]
        features = _activated(self.bottom(features), valid, self.levels)
        for level in reversed(range(self.levels)):
            joined = torch.cat([_interpolated(features), skips[level]], 1)
            features = _activated(self.up[level](joined), valid, level)
        estimates = self.last(torch.cat([features, signals], 1)).tanh()[..., :time]
        return estimates if valid is None else estimates * valid[..., :time]

    def _valid(self, lengths: Tensor, signals: Tensor) -> Tensor:
        """Ones for each mixture with the zeros that it alone would get, `[batch, 1, time]`."""
        whole = 2**self.levels
        ends = (lengths + whole - 1) // whole * whole
        places = torch.arange(signals.shape[-1], device=signals.device)
        return (places < ends[:, None, None]).to(signals.dtype)


def _convolutions(inputs: list[int], outputs: list[int], length: int) -> Iterator[nn.Conv1d]:
    for one, other in zip(inputs, outputs, strict=True):
        yield nn.Conv1d(one, other, length, padding=length // 2)


def _activated(features: Tensor, valid: Tensor | None, level: int) -> Tensor:
    features = F.leaky_relu(features, SLOPE)
    return features if valid is None else features * valid[..., :: 2**level]


def _interpolated(features: Tensor) -> Tensor:
    """Twice as many frames, `[..., 2 frames]`: the mean between two, half the last after it.

    >>> _interpolated(torch.tensor([2.0, 4.0]))
    tensor([2., 3., 4., 2.])
    """
    between = (features + F.pad(features[..., 1:], (0, 1))) / 2
    return cast(Tensor, torch.stack([features, between], -1).flatten(-2))
