"""A causal Conv-TasNet for a signal that is still being recorded, chunk by chunk.

Of the past, a frame needs the samples under its filter, (P - 1) * dilation frames of each block's
normalised wide signal, and the overlap of the frames before it. Only these are kept, so that memory
stays constant. This is possible only with norms of single frames (cLN), which causal networks use.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.base.errors import PipelineError
from pipeline.models.conv_tasnet.tiled import Tiled, TiledBlock, overlap_add

if TYPE_CHECKING:
    from pipeline.models.conv_tasnet.network import ConvTasNet

PIECE = 64
"""Frames that pass the blocks at once; more are split, so that they stay in the cache."""


class Stream:
    """Apply a causal network to one recording after another, in chunks of any lengths.

    The outputs of `push` and, at the end, of `finish`, concatenated, equal the output of the
    network for the whole recording.

    Raises:
        PipelineError: the network is not causal.
    """

    @torch.inference_mode()
    def __init__(self, network: ConvTasNet) -> None:
        if not network.arguments.causal:
            raise PipelineError(
                "streaming: the network is not causal; train one with causal: true in its arguments"
            )
        self.network, self.hop, self.length = network, network.hop, network.arguments.L
        filters = network.encoder.filters
        self.tiled, self.layers = Tiled(network, filters.dtype), []
        self.shift = filters.new_zeros(network.arguments.B + network.arguments.Sc)
        for block in self.tiled.blocks:
            self.layers.append(Layer.of(block, self.shift[: network.arguments.B]))
            self.shift = self.shift + block.narrow_bias
        self._begin()

    def latency(self, chunk: int) -> float:
        """Return the algorithmic latency in seconds if every push has `chunk` samples.

        It is the time from the beginning of a sample until enough is pushed for its estimate,
        without the time to compute. Frames end every `hop` samples, pushes every `chunk`; the gap
        between them takes every multiple of their greatest common divisor. At most the chunk and
        `look_ahead`.
        """
        step = gcd(chunk, self.hop)
        return (chunk + self.length - step + (-self.length) % step) / self.network.sample_rate

    @torch.inference_mode()
    def push(self, samples: Tensor) -> Tensor:
        """Take `[time]`; return all samples that are final now, `[sources, time']`."""
        pieces = samples.split(PIECE * self.hop)
        return torch.cat([self._push(piece) for piece in pieces], 1)

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """Return the remaining samples, `[sources, time']`; a new recording follows."""
        left, ahead = len(self.rest), self.tail[:, :0]
        if not self.begun:  # shorter than a filter: the whole pass also pads it with zeros
            ahead = self._push(self.rest.new_zeros(self.length - left))
        last = torch.cat([ahead, self.tail], 1)
        self._begin()
        return F.pad(last, (0, left - last.shape[1]))

    def _begin(self) -> None:
        filters = self.network.encoder.filters
        self.begun = False
        self.rest = filters.new_zeros(0)  # samples whose estimates are not returned yet
        self.tail = filters.new_zeros(self.network.num_sources, self.length - self.hop)
        for layer in self.layers:
            layer.history.clear()

    def _push(self, samples: Tensor) -> Tensor:
        samples = torch.cat([self.rest, samples])
        if len(samples) < self.length:
            self.rest = samples
            return self.tail[:, :0]
        frames = self.tiled.encode(samples)
        final = len(frames) * self.hop
        features = self._pass_blocks(self.tiled.enter(frames))
        signals = overlap_add(self.tiled.decode(features, frames), self.hop)
        signals[:, : self.tail.shape[1]] += self.tail
        self.begun, self.rest, self.tail = True, samples[final:], signals[:, final:]
        return signals[:, :final]

    def _pass_blocks(self, residual: Tensor) -> Tensor:
        """As in `Tiled`, with local norms only and with earlier frames as context."""
        a, count = self.network.arguments, len(residual)
        both = F.pad(residual, (0, a.Sc))
        inner = residual.new_empty(count, a.H)
        for block, bias, history in self.layers:
            context = history.room(count)
            block.widen(both[:, : a.B], bias, context[block.before :])
            block.convolve(context, block.depth_weight, block.depth_bias, inner)
            both.addmm_(inner, block.narrow_weight)
        both += self.shift
        return both[:, a.B :] if a.Sc else both


class Layer(NamedTuple):
    """A block, the bias of its first product, `[H]`, and its past frames."""

    block: TiledBlock
    bias: Tensor
    history: History

    @classmethod
    def of(cls, block: TiledBlock, shift: Tensor) -> Layer:
        """Make the layer for a residual without `shift`, `[B]`."""
        rows = shift.new_zeros(2 * block.before + PIECE, block.width)
        return cls(block, block.bias(shift), History(rows, block.before))


class History:
    """The last frames of a signal and the next ones, in one piece of memory.

    There is room for twice as many and a push, so that the last frames are rarely moved.
    """

    def __init__(self, rows: Tensor, before: int) -> None:
        self.rows, self.before = rows, before

    def clear(self) -> None:
        """Start a new recording, which has zeros before it."""
        self.end = self.before
        self.rows[: self.end] = 0

    def room(self, count: int) -> Tensor:
        """Return `[before + count, channels]`: the last frames, and room for `count` new ones."""
        if self.end + count > len(self.rows):
            self.rows[: self.before] = self.rows[self.end - self.before : self.end]
            self.end = self.before
        self.end += count
        return self.rows[self.end - count - self.before : self.end]
