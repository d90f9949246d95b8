"""Conv-TasNet on a CPU without gradients: frames are processed in tiles that fit into the cache.

Computed layer by layer, a block reads and writes its wide signals a dozen times, and these are far
larger than a cache. Here a block passes over the frames twice, tile by tile:

1. widen: `y = PReLU(W x + b)`, stored whole, and the sums for its mean and variance;
2. narrow: depthwise convolution, PReLU, its sums, and one product for residual and skip.

A norm scales and shifts every channel by numbers that are known only after a pass. Those of the
first norm are merged into the taps of the depthwise convolution: with `n = a y + c` inside of the
recording and 0 outside, `sum_k w_k n[t + o_k] = sum_k (a w_k) y[t + o_k] + sum_k (c w_k) [t + o_k
is inside]`. Those of the second norm are applied after the product, which is linear:
`W (a u + c) = r (W gamma) u + shift`. The shift is equal for all frames, so it is stored
separately and added to the bias of the next block. Frames are rows, `[frames, channels]`, so that
tiles and their neighbours are contiguous.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
"""Elements of a tile for each thread: two megabytes, about the size of a second-level cache."""


class Tiled:
    """The weights of a network, and its forward pass for one recording.

    `dtype` is the type of the factors of matrix products inside the blocks: that of the weights, or
    bfloat16.
    """

    def __init__(self, network: ConvTasNet, dtype: torch.dtype) -> None:
        self.network, self.arguments = network, network.arguments
        self.blocks = [TiledBlock.of(cast(Any, block), dtype) for block in network.masker.TCN]
        normalise, narrow = cast(Any, network.masker.bottleneck)
        self.local = normalise.local
        self.entrance = fold(normalise, narrow.weight[..., 0], narrow.bias)

    def __call__(self, mixture: Tensor) -> Tensor:
        """Map `[time]`, at least L samples, to `[sources, time']`, up to the last whole frame."""
        frames = self.encode(mixture)
        features = self.pass_blocks(self.enter(frames))
        return overlap_add(self.decode(features, frames), self.network.hop)

    def encode(self, mixture: Tensor) -> Tensor:
        """Apply the encoder: `[time]` to `[frames, N]`."""
        filters = self.network.encoder.filters[:, 0]
        return mixture.unfold(0, self.arguments.L, self.network.hop) @ filters.T

    def enter(self, frames: Tensor) -> Tensor:
        """Apply norm and bottleneck: `[frames, N]` to `[frames, B]`."""
        weight, shift = self.entrance
        if self.local:
            return F.linear(centred(frames), weight, shift)
        scale, mean = moments(sums_of(frames), frames.numel())
        return F.linear(frames, weight * scale, shift - weight.sum(1) * (mean * scale))

    def decode(self, features: Tensor, frames: Tensor) -> Tensor:
        """Compute the masks, apply them and decode each frame: `[sources, frames, L]`."""
        slope, widen = cast(Any, self.network.masker.mask_net)
        activated = F.leaky_relu(features, slope.weight.item())
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
        """Apply all blocks: `[frames, B]` to the masks' input, `[frames, Sc]` or `[frames, B]`."""
        count, ends = residual.shape
        margin = max(block.before for block in self.blocks)
        wide = residual.new_empty(count + 2 * margin, self.arguments.H)
        wide[:margin] = wide[margin + count :] = 0
        both = F.pad(residual, (0, self.arguments.Sc))  # beside it the sum of the skips
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
            # Of the last block's outputs only the skip is used.
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
    """The weights of a block. Signals are `[frames, channels]`.

    Products with few rows are limited by the reading of weights, which is a quarter faster if the
    weights are stored row by row.
    """

    widen_weight: Tensor  # [B, H]
    widen_bias: Tensor  # [H]
    slopes: tuple[float, float]
    norm: Norm  # the first norm
    depth_weight: Tensor  # [P, H]
    depth_bias: Tensor
    dilation: int
    before: int  # past frames that the convolution uses
    narrow_weight: Tensor  # [H, B + Sc], with the scale of the second norm
    narrow_sum: Tensor  # its sum over H
    narrow_bias: Tensor  # [B + Sc], with the shift of the second norm

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
        """The width H."""
        return len(self.depth_bias)

    @property
    def after(self) -> int:
        """Number of future frames that the convolution uses."""
        return (len(self.depth_weight) - 1) * self.dilation - self.before

    def bias(self, shift: Tensor) -> Tensor:
        """Return the bias of the first product, `[H]`, for a residual without `shift`, `[B]`."""
        return self.widen_bias + shift @ self.widen_weight.to(shift.dtype)

    def widen(self, residual: Tensor, bias: Tensor, out: Tensor) -> Sums:
        """Do the first pass, `[rows, B]` to `[rows, H]`; only a local norm is applied."""
        multiply(residual, self.widen_weight, out)
        sums = activate(out, bias, self.slopes[0])
        if self.norm.local:
            torch.addcmul(self.norm.beta, centred(out), self.norm.gamma, out=out)
        return sums

    def taps(self, sums: Sums, frames: int) -> tuple[Tensor, Tensor]:
        """Merge a global norm into the taps, `[P, H]`, and return what they add to the output.

        The latter is `[1 + P, H]`: the bias with all taps, then each tap.
        """
        if self.norm.local:
            return self.depth_weight, self.depth_bias[None]
        scale, mean = moments(sums, frames * self.width)
        gain = self.norm.gamma * scale
        added = self.depth_weight * (self.norm.beta - gain * mean)
        bias = self.depth_bias + added.sum(0)
        return self.depth_weight * gain, torch.cat([bias[None], added])

    def pieces(self, added: Tensor, tile: slice, frames: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield the rows of a tile in pieces, and the constant `[H]` for the rows of each.

        `added`, `[1 + P, H]`, consists of a bias, which always applies, and of taps, which apply
        if their frame is inside of the recording. So a piece ends where a tap enters or leaves it.
        """
        everywhere, of_taps = added[0], added[1:]
        places = [k * self.dilation - self.before for k in range(len(of_taps))]
        for piece in stretches(places, tile, frames):
            constant = everywhere
            for k, place in enumerate(places):
                if not 0 <= piece.start + place < frames:
                    constant = constant - of_taps[k]
            yield piece, constant

    def convolve(self, context: Tensor, taps: Tensor, constant: Tensor, out: Tensor) -> Sums:
        """Do the second pass, `[before + rows + after, H]` to `[rows, H]`, local norms unscaled."""
        sums = convolve(context, taps, self.dilation, constant, self.slopes[1], out)
        if self.norm.local:
            out.copy_(centred(out))
        return sums

    def shift(self, sums: Sums, frames: int) -> tuple[float, Tensor]:
        """Return the factor for the product, and the constant to add to it: `[B + Sc]`."""
        if self.norm.local:
            return 1.0, self.narrow_bias
        scale, mean = moments(sums, frames * self.width)
        return scale, self.narrow_bias - self.narrow_sum * (mean * scale)


def stretches(places: Sequence[int], tile: slice, frames: int) -> Iterator[slice]:
    """Yield the parts of a tile within which the same taps are inside of the recording.

    >>> list(stretches([-2, 0, 2], slice(0, 5), 5))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 5, None)]
    """
    edges = {edge - place for place in places for edge in (0, frames)}
    inside = (edge for edge in edges if tile.start < edge < tile.stop)
    for start, stop in pairwise(sorted({tile.start, tile.stop, *inside})):
        yield slice(start, stop)


def cut(frames: int, width: int) -> list[slice]:
    """Return the tiles of a recording whose signal has `width` channels."""
    rows = max(ELEMENTS * torch.get_num_threads() // width, 1)
    return [slice(at, min(at + rows, frames)) for at in range(0, frames, rows)]


def multiply(rows: Tensor, weight: Tensor, out: Tensor) -> None:
    """Multiply `[rows, K]` by `[K, channels]`, in the precision of the weight."""
    if weight.dtype == out.dtype:
        torch.mm(rows, weight, out=out)
    else:
        out.copy_(rows.to(weight.dtype) @ weight)


def moments(sums: Sums, count: int) -> tuple[float, float]:
    """Return 1 / √(variance + ε) and the mean."""
    mean = sums.first / count
    variance = max(sums.second / count - mean**2, 0.0)  # rounding may make it negative
    return (variance + EPSILON) ** -0.5, mean


def centred(rows: Tensor) -> Tensor:
    """Scale each row to mean 0 and variance 1: `[rows, channels]`."""
    return F.layer_norm(rows, rows.shape[1:], eps=EPSILON)


def fold(norm: Norm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Merge a norm's scale and shift into the next product: `[outputs, channels]`, `[outputs]`."""
    return weight * norm.gamma, weight @ norm.beta + bias


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Add up frames that begin every `hop` samples: `[sources, frames, L]` to `[sources, time]`."""
    sources, count, length = frames.shape
    size = (1, hop * (count - 1) + length)
    columns = frames.transpose(1, 2)
    return F.fold(columns, size, (1, length), stride=(1, hop)).view(sources, -1)
