"""Conv-TasNet on a CPU where no gradient is wanted: tile after tile of frames, each kept in cache.

A block reads and writes its wide signals a dozen times when it is computed layer by layer, and
they are far larger than a cache. Here a block goes over the frames twice, tile by tile:

1. widen: `y = PReLU(W x + b)`, kept whole, and the sums that give its mean and variance;
2. narrow: depthwise convolution, PReLU, its sums, and one product for residual and skip.

A norm scales and shifts every channel by numbers that are known only after a pass. The first
one's go into the taps of the depthwise convolution: with `n = a y + c` inside the recording and 0
outside, `sum_k w_k n[t + o_k] = sum_k (a w_k) y[t + o_k] + sum_k (c w_k) [t + o_k is inside]`.
The second one's go behind the product, which is linear: `W (a u + c) = r (W gamma) u + shift`.
The shift is the same for all frames, so it is kept apart and goes into the bias of the next block.
Frames are rows, `[frames, channels]`, so that tiles and their neighbours lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models.conv_tasnet import EPSILON
from pipeline.models.conv_tasnet.kernels import Sums, activate, convolve, sums_of

if TYPE_CHECKING:
    from pipeline.models.conv_tasnet.network import Block, ConvTasNet, Norm

ELEMENTS = 2**19
"""Of a tile, for each thread: two megabytes, about what a cache of the second level holds."""


class Tiled:
    """The weights of a network, and its forward pass for one recording.

    `dtype` is that of the factors of the matrix products inside the blocks: the weights' own, or
    bfloat16.
    """

    def __init__(self, network: ConvTasNet, dtype: torch.dtype) -> None:
        self.network, self.arguments = network, network.arguments
        self.blocks = [TiledBlock.of(cast(Any, block), dtype) for block in network.masker.TCN]
        normalise, narrow = cast(Any, network.masker.bottleneck)
        self.local = normalise.local
        self.entrance = fold(normalise, narrow.weight[..., 0], narrow.bias)

    def __call__(self, mixture: Tensor) -> Tensor:
        """`[time]`, at least L samples, to `[sources, time']`, up to the last whole frame."""
        frames = self.encode(mixture)
        heard = self.pass_blocks(self.enter(frames))
        return overlap_add(self.decode(heard, frames), self.network.hop)

    def encode(self, mixture: Tensor) -> Tensor:
        """`[time]` to `[frames, N]`."""
        filters = self.network.encoder.filters[:, 0]
        return mixture.unfold(0, self.arguments.L, self.network.hop) @ filters.T

    def enter(self, frames: Tensor) -> Tensor:
        """Norm and bottleneck: `[frames, N]` to `[frames, B]`."""
        weight, shift = self.entrance
        if self.local:
            return F.linear(centred(frames), weight, shift)
        scale, mean = moments(sums_of(frames), frames.numel())
        return F.linear(frames, weight * scale, shift - weight.sum(1) * (mean * scale))

    def decode(self, heard: Tensor, frames: Tensor) -> Tensor:
        """Masks, and what they leave of each frame: `[sources, frames, L]`."""
        slope, widen = cast(Any, self.network.masker.mask_net)
        activated = F.leaky_relu(heard, slope.weight.item())
        filters = self.network.decoder.filters[:, 0]
        weights = widen.weight[..., 0].chunk(self.network.num_sources)
        biases = widen.bias.chunk(self.network.num_sources)
        signals = []
        for weight, bias in zip(weights, biases, strict=True):
            mask = F.linear(activated, weight, bias)
            mask = mask.sigmoid_() if self.network.masker.sigmoid else mask.relu_()
            signals.append(mask.mul_(frames) @ filters)
        return torch.stack(signals)

    def pass_blocks(self, residual: Tensor) -> Tensor:
        """All blocks: `[frames, B]` to what masks are made of, `[frames, Sc]` or `[frames, B]`."""
        count, ends = residual.shape
        margin = max(block.before for block in self.blocks)
        wide = residual.new_empty(count + 2 * margin, self.arguments.H)
        wide[:margin] = wide[margin + count :] = 0
        both = F.pad(residual, (0, self.arguments.Sc))  # and the sum of the skips
        more = torch.zeros_like(both)
        scale, shift = 0.0, both.new_zeros(both.shape[1])
        tiles = cut(count, self.arguments.H)
        buffer = wide.new_empty(tiles[0].stop, self.arguments.H)
        for block in self.blocks:
            bias, sums = block.bias(shift[:ends]), Sums()
            for tile in tiles:
                both[tile].add_(more[tile], alpha=scale)
                inner = wide[margin + tile.start : margin + tile.stop]
                sums = sums.plus(block.widen(both[tile, :ends], bias, inner))
            taps, constants = block.taps(sums, count)
            # Of the last block's outputs only the skip is heard.
            first = ends if self.arguments.Sc and block is self.blocks[-1] else 0
            sums = Sums()
            for tile in tiles:
                for at, constant in block.pieces(constants, tile, count):
                    begin, end = at.start + margin - block.before, at.stop + margin + block.after
                    inner = buffer[at.start - tile.start : at.stop - tile.start]
                    sums = sums.plus(block.convolve(wide[begin:end], taps, constant, inner))
                rows = buffer[: tile.stop - tile.start]
                multiply(rows, block.narrow_weight[:, first:], more[tile, first:])
            scale, constant = block.shift(sums, count)
            shift = shift + constant
        both.add_(more, alpha=scale).add_(shift)
        return both[:, ends:] if self.arguments.Sc else both


@dataclass(frozen=True)
class TiledBlock:
    """A block's weights. Signals are `[frames, channels]`.

    Products of a few rows are bound by reading the weights, which is a quarter faster where they
    lie row by row.
    """

    widen_weight: Tensor  # [B, H]
    widen_bias: Tensor  # [H]
    slopes: tuple[float, float]
    norm: Norm  # the first one
    depth_weight: Tensor  # [P, H]
    depth_bias: Tensor
    dilation: int
    before: int  # frames that the convolution looks back
    narrow_weight: Tensor  # [H, B + Sc], the second norm's scale in it
    narrow_sum: Tensor  # of it over H
    narrow_bias: Tensor  # [B + Sc], the second norm's shift in it

    @classmethod
    def of(cls, block: Block, dtype: torch.dtype) -> TiledBlock:
        """Arrange the weights of a block."""
        widen, first, norm, depthwise, second, norm_again = cast(Any, block.layers())
        narrow, bias = fold(norm_again, *block.narrow())
        return cls(
            widen_weight=widen.weight[..., 0].T.to(dtype).contiguous(),
            widen_bias=widen.bias,
            slopes=(first.weight.item(), second.weight.item()),
            norm=norm,
            depth_weight=depthwise.weight[:, 0].T.contiguous(),
            depth_bias=depthwise.bias,
            dilation=depthwise.dilation[0],
            before=depthwise.before,
            narrow_weight=narrow.T.to(dtype).contiguous(),
            narrow_sum=narrow.sum(1),
            narrow_bias=bias,
        )

    @property
    def width(self) -> int:
        """H."""
        return len(self.depth_bias)

    @property
    def after(self) -> int:
        """Frames that the convolution looks ahead."""
        return (len(self.depth_weight) - 1) * self.dilation - self.before

    def bias(self, shift: Tensor) -> Tensor:
        """Of the first product, `[H]`, for a residual from which `shift`, `[B]`, was left out."""
        return self.widen_bias + shift @ self.widen_weight.to(shift.dtype)

    def widen(self, residual: Tensor, bias: Tensor, out: Tensor) -> Sums:
        """First pass, `[rows, B]` to `[rows, H]`; of the norms, only a local one is applied."""
        multiply(residual, self.widen_weight, out)
        sums = activate(out, bias, self.slopes[0])
        if self.norm.local:
            torch.addcmul(self.norm.beta, centred(out), self.norm.gamma, out=out)
        return sums

    def taps(self, sums: Sums, frames: int) -> tuple[Tensor, Tensor]:
        """What a global norm makes of the taps, `[P, H]`, and what they add.

        The latter is `[1 + P, H]`: the bias with all taps, then each of them.
        """
        if self.norm.local:
            return self.depth_weight, self.depth_bias[None]
        scale, mean = moments(sums, frames * self.width)
        gain = self.norm.gamma * scale
        added = self.depth_weight * (self.norm.beta - gain * mean)
        bias = self.depth_bias + added.sum(0)
        return self.depth_weight * gain, torch.cat([bias[None], added])

    def pieces(self, added: Tensor, tile: slice, frames: int) -> Iterator[tuple[slice, Tensor]]:
        """The rows of a tile in pieces, and what is added to the rows of each: `[H]`.

        `added`, `[1 + P, H]`, is of a bias, which holds everywhere, and of taps, which look at a
        frame: beyond the recording all is zero. So pieces end where a tap comes in or goes out.
        """
        everywhere, of_taps = added[0], added[1:]
        places = [k * self.dilation - self.before for k in range(len(of_taps))]
        edges = {edge - place for place in places for edge in (0, frames)}
        inside = (edge for edge in edges if tile.start < edge < tile.stop)
        for start, stop in pairwise(sorted({tile.start, tile.stop, *inside})):
            constant = everywhere
            for k, place in enumerate(places):
                if not 0 <= start + place < frames:
                    constant = constant - of_taps[k]
            yield slice(start, stop), constant

    def convolve(self, context: Tensor, taps: Tensor, constant: Tensor, out: Tensor) -> Sums:
        """Second pass, `[before + rows + after, H]` to `[rows, H]`, a local norm without scale."""
        sums = convolve(context, taps, self.dilation, constant, self.slopes[1], out)
        if self.norm.local:
            out.copy_(centred(out))
        return sums

    def shift(self, sums: Sums, frames: int) -> tuple[float, Tensor]:
        """What the product is to be multiplied by, and what is to be added to it: `[B + Sc]`."""
        if self.norm.local:
            return 1.0, self.narrow_bias
        scale, mean = moments(sums, frames * self.width)
        return scale, self.narrow_bias - self.narrow_sum * (mean * scale)


def cut(frames: int, width: int) -> list[slice]:
    """Tiles of a recording whose signal has so many channels."""
    rows = max(ELEMENTS * torch.get_num_threads() // width, 1)
    return [slice(at, min(at + rows, frames)) for at in range(0, frames, rows)]


def multiply(rows: Tensor, weight: Tensor, out: Tensor) -> None:
    """`[rows, K]` times `[K, channels]`, in the precision of the weight."""
    if weight.dtype == out.dtype:
        torch.mm(rows, weight, out=out)
    else:
        out.copy_(rows.to(weight.dtype) @ weight)


def moments(sums: Sums, count: int) -> tuple[float, float]:
    """One over the standard deviation, and the mean."""
    mean = sums.first / count
    variance = max(sums.second / count - mean**2, 0.0)  # rounding can step below
    return (variance + EPSILON) ** -0.5, mean


def centred(rows: Tensor) -> Tensor:
    """Each row of mean 0 and variance 1: `[rows, channels]`."""
    return F.layer_norm(rows, rows.shape[1:], eps=EPSILON)


def fold(norm: Norm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A norm's scale and shift in the product behind it: `[outputs, channels]`, `[outputs]`."""
    return weight * norm.gamma, weight @ norm.beta + bias


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Add up frames that begin every `hop` samples: `[sources, frames, L]` to `[sources, time]`."""
    sources, count, length = frames.shape
    size = (1, hop * (count - 1) + length)
    columns = frames.transpose(1, 2)
    return F.fold(columns, size, (1, length), stride=(1, hop)).view(sources, -1)
