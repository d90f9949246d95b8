"""A causal Conv-TasNet on a signal that is still coming in, chunk by chunk.

Of the past, a frame needs the samples under its filter, (P - 1) * dilation frames of each block's
normalised wide signal, and the overlap of the frames before it. That is kept, and nothing else, so
memory stays flat. Only a norm that looks at one frame (cLN) can do this; a causal network has it.
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
"""Frames that go through the blocks at once; more are cut, so that they stay in cache."""


class Stream:
    """One recording after another through a causal network, in chunks of any lengths.

    What `push` and, at the end, `finish` return is, side by side, what one pass of the network
    gives of the whole recording.

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
        """Algorithmic latency in seconds, where every push is of `chunk` samples.

        From a sample's beginning until enough has been pushed for its estimate; time to compute
        is extra. Frames end every `hop` samples, pushes every `chunk`; the gap between them takes
        every multiple of their greatest common divisor. At most the chunk and `look_ahead`.
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
        """The rest, `[sources, time']`; what is pushed next is another recording."""
        left, ahead = len(self.rest), self.tail[:, :0]
        if not self.begun:  # shorter than a filter: one pass adds zeros to it, too
            ahead = self._push(self.rest.new_zeros(self.length - left))
        last = torch.cat([ahead, self.tail], 1)
        self._begin()
        return F.pad(last, (0, left - last.shape[1]))

    def _begin(self) -> None:
        filters = self.network.encoder.filters
        self.begun = False
        self.rest = filters.new_zeros(0)  # samples of which no estimate was returned
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
        heard = self._pass_blocks(self.tiled.enter(frames))
        signals = overlap_add(self.tiled.decode(heard, frames), self.hop)
        signals[:, : self.tail.shape[1]] += self.tail
        self.begun, self.rest, self.tail = True, samples[final:], signals[:, final:]
        return signals[:, :final]

    def _pass_blocks(self, residual: Tensor) -> Tensor:
        """As in `Tiled`, with local norms alone and what was heard before as context."""
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
    """A block, the bias of its first product, `[H]`, and its past."""

    block: TiledBlock
    bias: Tensor
    history: History

    @classmethod
    def of(cls, block: TiledBlock, shift: Tensor) -> Layer:
        """For a residual from which `shift`, `[B]`, was left out."""
        rows = shift.new_zeros(2 * block.before + PIECE, block.width)
        return cls(block, block.bias(shift), History(rows, block.before))


class History:
    """The last frames of a signal with those to come behind them, in one piece of memory.

    Room for twice as many and a push, so that the last ones are moved to the front but seldom.
    """

    def __init__(self, rows: Tensor, before: int) -> None:
        self.rows, self.before = rows, before

    def clear(self) -> None:
        """Forget all: zeros come before a recording."""
        self.end = self.before
        self.rows[: self.end] = 0

    def room(self, count: int) -> Tensor:
        """`[before + count, channels]`: the last frames, and `count` that are to be filled."""
        if self.end + count > len(self.rows):
            self.rows[: self.before] = self.rows[self.end - self.before : self.end]
            self.end = self.before
        self.end += count
        return self.rows[self.end - count - self.before : self.end]
