"""What a block does along the bands of each frame, and along the frames of each band.

A path maps `[batch, others, sequence, features]` to the same shape, along `sequence`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.tiger import Arguments

EPSILON = 1e-8


class Recurrent(nn.Module):
    """A norm, an LSTM in both directions, and a linear layer."""

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        features, hidden = arguments.features, arguments.hidden
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to each of the others alone."""
        outputs, _ = self.lstm(self.norm(x).flatten(0, 1))
        return self.linear(outputs).view(x.shape)


class Attentive(nn.Module):
    """Multi-scale selective attention, then full-frequency-frame attention (section 3.3)."""

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        self.selective, self.full = Selective(arguments), Full(arguments)
        self.norm = nn.LayerNorm(arguments.features)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the first to each of the others alone, the second to all together."""
        apart = x.flatten(0, 1).transpose(1, 2)
        return self.norm(self.full(self.selective(apart).transpose(1, 2).reshape(x.shape)))


class Selective(nn.Module):
    """A U-Net of depthwise convolutions whose scales are gated by what all of them have in common.

    Maps `[batch, features, sequence]`. The scales halve in length; averaged to the length of the
    last one and summed, they go through a small network, and its output, spread again, gates each
    scale (Li et al. 2022, arXiv:2209.15200). Every norm is over one sequence.
    """

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        features, hidden, depth = arguments.features, arguments.hidden, arguments.depth
        self.inward = nn.Sequential(Convolution(features, hidden), nn.PReLU())
        self.down = nn.ModuleList(
            Convolution(hidden, hidden, 5, 1 if scale == 0 else 2, hidden) for scale in range(depth)
        )
        self.common = nn.Sequential(
            Convolution(hidden, hidden, bias=False),
            nn.Conv1d(hidden, hidden, 5, padding=2, groups=hidden),
            nn.ReLU(),
            Convolution(hidden, hidden, bias=False),
        )
        self.gates = nn.ModuleList(Gate(hidden, 1) for _ in range(depth))
        self.up = nn.ModuleList(Gate(hidden, 5) for _ in range(depth - 1))
        self.outward = nn.Conv1d(hidden, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add what is found to the input."""
        scales, values = list[Tensor](), self.inward(x)
        for down in self.down:
            values = down(values)
            scales.append(values)
        shortest = scales[-1].shape[-1]
        averages = torch.stack([F.adaptive_avg_pool1d(scale, shortest) for scale in scales])
        common = self.common(averages.sum(0))
        scales = [gate(scale, common) for gate, scale in zip(self.gates, scales, strict=True)]
        values = scales.pop()
        for gate, scale in zip(self.up, reversed(scales), strict=True):
            values = gate(scale, values)
        return x + self.outward(values)


class Convolution(nn.Sequential):
    """A convolution and a norm over one sequence."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        pad = (kernel - 1) // 2
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, stride, pad, groups=groups, bias=bias),
            nn.GroupNorm(1, outputs, EPSILON),
        )


class Gate(nn.Module):
    """Gate a scale by another one that is as long or shorter, and add to it."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.local, self.gate, self.added = (
            Convolution(channels, channels, kernel, groups=channels, bias=False) for _ in range(3)
        )

    def forward(self, scale: Tensor, other: Tensor) -> Tensor:
        """Map `[batch, channels, sequence]`, `other` with a sequence of its own length."""
        length = scale.shape[-1]
        gate = F.interpolate(self.gate(other).sigmoid(), length)
        return self.local(scale) * gate + F.interpolate(self.added(other), length)


class Full(nn.Module):
    """Attention along the sequence, to which the features of all others together are one vector.

    As in TF-GridNet (section II.D there). Adds what is found to the input.
    """

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        features, self.heads = arguments.features, arguments.heads
        sizes = [arguments.head_features, arguments.head_features, features // self.heads]
        self.embed = nn.ModuleList(
            Embedding(features, size) for size in sizes for _ in range(self.heads)
        )
        self.join = Embedding(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, others, sequence, features]`."""
        batch, others, sequence, _ = x.shape
        embedded = [embed(x).transpose(1, 2).flatten(2) for embed in self.embed]
        query, key, value = (
            torch.stack(embedded[start : start + self.heads], 1)
            for start in range(0, len(embedded), self.heads)
        )
        found = F.scaled_dot_product_attention(query, key, value)
        found = found.view(batch, self.heads, sequence, others, -1).permute(0, 3, 2, 1, 4)
        return x + self.join(found.flatten(3))


class Embedding(nn.Sequential):
    """A linear layer, PReLU, and a norm over the features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, outputs), nn.PReLU(), nn.LayerNorm(outputs))


PATHS = {"lstm": Recurrent, "attention": Attentive}
