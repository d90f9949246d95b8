"""A block of Conv-TasNet in a training on a CPU: few passes over its wide signals, both ways.

Frames are rows, `[frames, channels]`, and norms are merged into what follows, as in `tiled.py`.
Forward, with PReLUs s and s', and norms of means m, m' and scales r, r' = (variance + ε)^(-1/2):

    y = s(W x + b)
    u = s'(Σ_k w_k (γ r (y[t + o_k] - m) + β) + c)
    out = V (γ' r' (u - m') + β') + d

where a tap counts only inside of the recording. Only x, y and u are kept.

Backward, a norm γ r (y - m) + β over M values makes of the gradient g of its output

    r γ g - (r / M) Σ γ g - (r² (y - m) / M) Σ γ g r (y - m)

(derived from equation 11 of the paper), thus `gain · g + shift + scale · y`. Its sums over the
frames, S = Σ_t g and T = Σ_t g y of every channel, need no further pass over the signals. Behind a
product out = W n, with the gradient d of `out`, they are S = Wᵀ Σ_t d and T = Σ_o W_o (dᵀ y)_o, and
dᵀ y is computed for the gradient of W anyway. Behind a convolution they are Σ_k w_k I_k and
Σ_k w_k P_k, with the sums I_k of the gradient over the frames at which tap k counts, and P_k of its
products with y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.models.conv_tasnet.kernels import (
    Sums,
    activate,
    activate_back,
    convolve,
    convolve_back,
)
from pipeline.models.conv_tasnet.tiled import moments, stretches


class Place(NamedTuple):
    """Where the taps of a depthwise convolution lie: their distance, and frames to both sides."""

    dilation: int
    before: int
    after: int

    def offsets(self) -> range:
        """The offset of each tap."""
        return range(-self.before, self.after + 1, self.dilation)


class Weights(NamedTuple):
    """The weights of a block, in the order of `FusedBlock`'s arguments."""

    widen: Tensor  # [H, B]
    widen_bias: Tensor  # [H]
    slope: Tensor  # [1]
    gain: Tensor  # [H], of the first norm
    shift: Tensor  # [H]
    taps: Tensor  # [P, H]
    taps_bias: Tensor  # [H]
    slope_again: Tensor  # [1]
    gain_again: Tensor  # [H], of the second norm
    shift_again: Tensor  # [H]
    narrow: Tensor  # [B + Sc, H]
    narrow_bias: Tensor  # [B + Sc]


class Moments(NamedTuple):
    """Mean of a signal, 1 / √(variance + ε), and the number of its values."""

    mean: float
    scale: float
    values: int

    @classmethod
    def of(cls, sums: Sums, count: int) -> Moments:
        """From the sums of the values and of their squares."""
        scale, mean = moments(sums, count)
        return cls(mean, scale, count)


class Kept(NamedTuple):
    """What a recording's backward pass needs of its forward pass."""

    inputs: Tensor  # [frames, B]
    wide: Tensor  # [before + frames + after, H], zeros at both ends
    inner: Tensor  # [frames, H]
    moments: Moments
    moments_again: Moments


class FusedBlock(torch.autograd.Function):
    """`[batch, frames, B]` to `[batch, frames, B + Sc]`, residual and skip beside each other."""

    @staticmethod
    def forward(ctx: Any, place: Place, inputs: Tensor, *weights: Tensor) -> Tensor:  # type: ignore[override]
        """Keep what the backward pass needs."""
        given = Weights(*weights)
        outputs = inputs.new_empty(*inputs.shape[:2], len(given.narrow))
        kept = [
            _forward(given, place, recording, out)
            for recording, out in zip(inputs, outputs, strict=True)
        ]
        tensors = [tensor for one in kept for tensor in (one.inputs, one.wide, one.inner)]
        ctx.save_for_backward(*weights, *tensors)
        ctx.place, ctx.moments = place, [(one.moments, one.moments_again) for one in kept]
        return outputs

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Gradients of the inputs and the weights."""
        [gradient], saved = gradients, ctx.saved_tensors
        given, tensors = Weights(*saved[: len(Weights._fields)]), saved[len(Weights._fields) :]
        sums = [torch.zeros_like(weight) for weight in given]
        of_inputs = gradient.new_empty(*gradient.shape[:2], given.widen.shape[1])
        for at, both in enumerate(ctx.moments):
            kept = Kept(*tensors[3 * at : 3 * at + 3], *both)
            found = _backward(given, ctx.place, kept, gradient[at].contiguous(), of_inputs[at])
            for total, part in zip(sums, found, strict=True):
                total.add_(part)
        return None, of_inputs, *sums


def _forward(given: Weights, place: Place, inputs: Tensor, out: Tensor) -> Kept:
    frames, width = len(inputs), len(given.taps_bias)
    wide = inputs.new_empty(place.before + frames + place.after, width)
    wide[: place.before] = wide[place.before + frames :] = 0
    rows = wide[place.before : place.before + frames]
    torch.mm(inputs, given.widen.T, out=rows)
    sums = activate(rows, given.widen_bias, given.slope.item())
    moments = Moments.of(sums, rows.numel())
    inner, again = _convolve(given, place, wide, moments, frames)
    gain = given.gain_again * again.scale
    constant = given.narrow @ (given.shift_again - gain * again.mean) + given.narrow_bias
    torch.addmm(constant, inner, (given.narrow * gain).T, out=out)
    return Kept(inputs, wide, inner, moments, again)


def _convolve(
    given: Weights, place: Place, wide: Tensor, moments: Moments, frames: int
) -> tuple[Tensor, Moments]:
    """The first norm and the convolution, in pieces in which the same taps count."""
    gain = given.gain * moments.scale
    taps, added = given.taps * gain, given.taps * (given.shift - gain * moments.mean)
    inner, sums, reach = wide.new_empty(frames, len(gain)), Sums(), place.before + place.after
    offsets = place.offsets()
    for at in stretches(offsets, slice(0, frames), frames):
        counting = [k for k, o in enumerate(offsets) if 0 <= at.start + o < frames]
        constant = given.taps_bias + added[counting].sum(0)
        context, out = wide[at.start : at.stop + reach], inner[at]
        sums = sums.plus(
            convolve(context, taps, place.dilation, constant, given.slope_again.item(), out)
        )
    return inner, Moments.of(sums, inner.numel())


def _backward(
    given: Weights, place: Place, kept: Kept, gradient: Tensor, of_inputs: Tensor
) -> Sequence[Tensor]:
    """Gradients of the weights; `of_inputs`, `[frames, B]`, is overwritten by that of the input."""
    frames, width = kept.inner.shape
    products, of_outputs = gradient.T @ kept.inner, gradient.sum(0)
    norm_again = _Norm(given.gain_again, given.shift_again, kept.moments_again)
    norm_again.sums(of_outputs @ given.narrow, (given.narrow * products).sum(0))
    of_narrow = products * norm_again.scaled + torch.outer(of_outputs, norm_again.constant)

    padded = gradient.new_empty(place.after + frames + place.before, width)
    padded[: place.after] = padded[place.after + frames :] = 0
    before_inner = padded[place.after : place.after + frames]
    behind = gradient @ (given.narrow * norm_again.scaled)
    of_slope_again, channels = convolve_back(
        behind,
        kept.inner,
        kept.wide,
        place.dilation,
        norm_again.passed,
        given.slope_again.item(),
        before_inner,
    )
    of_taps_bias, products = channels[0], channels[1:]
    inside = torch.stack([_inside(before_inner, of_taps_bias, o) for o in place.offsets()])

    norm = _Norm(given.gain, given.shift, kept.moments)
    norm.sums((given.taps * inside).sum(0), (given.taps * products).sum(0))
    of_taps = products * norm.scaled + inside * norm.constant
    wide = kept.wide[place.before : place.before + frames]
    of_slope, of_widen_bias = activate_back(
        padded,
        wide,
        (given.taps * norm.scaled).flip(0),
        place.dilation,
        norm.passed,
        given.slope.item(),
        behind,
    )
    torch.mm(behind, given.widen, out=of_inputs)
    return Weights(
        widen=behind.T @ kept.inputs,
        widen_bias=of_widen_bias,
        slope=gradient.new_tensor([of_slope]),
        gain=norm.of_gain,
        shift=norm.of_shift,
        taps=of_taps,
        taps_bias=of_taps_bias,
        slope_again=gradient.new_tensor([of_slope_again]),
        gain_again=norm_again.of_gain,
        shift_again=norm_again.of_shift,
        narrow=of_narrow,
        narrow_bias=of_outputs,
    )


def _inside(gradient: Tensor, total: Tensor, offset: int) -> Tensor:
    """The sum over the frames at which a tap counts, `[H]`, given that over all frames."""
    frames = len(gradient)
    outside = gradient[:-offset] if offset < 0 else gradient[max(frames - offset, 0) :]
    return total - outside.sum(0)


class _Norm:
    """The backward pass of a global norm n = γ r (y − m) + β: sums in, numbers to pass on out."""

    def __init__(self, gain: Tensor, shift: Tensor, moments: Moments) -> None:
        self.gain, self.moments = gain, moments
        self.scaled = gain * moments.scale  # n = scaled · y + constant
        self.constant = shift - self.scaled * moments.mean

    def sums(self, first: Tensor, second: Tensor) -> None:
        """Take the sums over the frames of the gradient, and of its products with y, `[H]`."""
        mean, scale, values = self.moments
        self.of_shift, self.of_gain = first, scale * (second - mean * first)
        by_mean = torch.dot(self.gain, first).item() * scale / values
        by_scale = torch.dot(self.gain, self.of_gain).item() * scale**2 / values
        self.passed = by_scale * mean - by_mean, -by_scale


def weights_of(block: Any) -> Weights:
    """The weights of a block of the network, as views through which gradients flow."""
    widen, first, norm, depthwise, second, norm_again = block.layers()
    narrow, narrow_bias = block.narrow()
    return Weights(
        *(widen.weight[..., 0], widen.bias, first.weight, norm.gamma, norm.beta),
        *(depthwise.weight[:, 0].T.contiguous(), depthwise.bias, second.weight),
        *(norm_again.gamma, norm_again.beta, narrow, narrow_bias),
    )


def place_of(block: Any) -> Place:
    """The taps of a block's convolution."""
    depthwise = list(block.layers())[3]
    dilation = int(depthwise.dilation[0])
    reach = (depthwise.kernel_size[0] - 1) * dilation
    return Place(dilation, depthwise.before, reach - depthwise.before)


def fused(block: Any, inputs: Tensor) -> Tensor:
    """Apply a block to `[batch, frames, B]`; residual and skip of it, `[batch, frames, B + Sc]`."""
    return cast(Tensor, FusedBlock.apply(place_of(block), inputs, *weights_of(block)))
