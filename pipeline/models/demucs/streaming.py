"""A causal Demucs for a signal that is still being recorded, chunk by chunk.

Each stage of the network takes the new samples or frames of the stage before it, and returns all
that are final now. With `last` it also returns the rest, as at the end of a whole recording.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.base.errors import PipelineError
from pipeline.models.demucs import ZEROS, steps
from pipeline.models.demucs.network import Demucs, Recurrent, running_scales

Stage = Callable[[Tensor, bool], Tensor]


class Stream:
    """Apply a causal network to one recording after another, in chunks of any lengths.

    The outputs of `push` and, at the end, of `finish`, concatenated, equal the output of the
    network for the whole recording.

    Raises:
        PipelineError: the network is not causal.
    """

    energy: Tensor  # of all samples, in double precision
    scales: Tensor  # of the samples that are not returned yet

    def __init__(self, network: Demucs) -> None:
        a = network.arguments
        if not a.causal or a.normalize == "utterance":
            raise PipelineError(
                "streaming: the network is not causal; train one with causal: true and normalize:"
                " running in its arguments"
            )
        self.network = network
        self._begin()

    def latency(self, chunk: int) -> float:
        """Return the algorithmic latency in seconds if every push has `chunk` samples.

        It is the time from the beginning of a sample until enough is pushed for its estimate,
        without the time to compute. At most the chunk and `look_ahead`.
        """
        a = self.network.arguments
        needs = steps(a, a.resample * chunk)  # after which the pushes repeat
        waits = (-(-(last + 1) // chunk) * chunk - sample for sample, last in needs)
        return max(waits) / self.network.sample_rate

    @torch.inference_mode()
    def push(self, samples: Tensor) -> Tensor:
        """Take `[time]`; return all samples that are final now, `[sources, time']`."""
        if not len(samples):
            return samples.new_zeros(self.network.num_sources, 0)
        scales, self.energy = running_scales(samples, self.count, self.energy)
        scales = scales.to(samples.dtype)
        self.count += len(samples)
        self.scales = torch.cat([self.scales, scales])
        return self._pass(samples / (self.network.arguments.floor + scales), False)

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """Return the remaining samples, `[sources, time]`; a new recording follows."""
        zeros = self.network.arguments.padded(self.count) - self.count
        found = self._pass(self.scales.new_zeros(zeros), True)
        self._begin()
        return found

    def _begin(self) -> None:
        network, doublings = self.network, range(self.network.arguments.doublings)
        self.count, self.energy = 0, network.halfway.new_zeros((), dtype=torch.double)
        self.scales = network.halfway.new_zeros(0)
        level: Stage = Middle(network.lstm)
        for encode, decode in zip(reversed(network.encoder), network.decoder, strict=True):
            level = Level(cast(nn.Sequential, encode), cast(nn.Sequential, decode), level)
        doubling = [Doubled(network.halfway) for _ in doublings]
        halving = [Halved(network.halfway, network.num_sources) for _ in doublings]
        self.stages: list[Stage] = [*doubling, level, *halving]

    def _pass(self, samples: Tensor, last: bool) -> Tensor:
        signals = samples[None]
        for stage in self.stages:
            signals = stage(signals, last)
        signals = signals[:, : len(self.scales)]
        scales, self.scales = self.scales.tensor_split([signals.shape[1]])
        return signals * scales


class Level:
    """An encoder, the levels below it, and its decoder: `[channels, time]` to `[channels', …]`."""

    def __init__(self, encode: nn.Sequential, decode: nn.Sequential, inner: Stage) -> None:
        self.encode, self.decode, self.inner = encode, decode, inner
        convolve, self.spread = cast(nn.Conv1d, encode[0]), cast(nn.ConvTranspose1d, decode[2])
        self.hop, self.length = convolve.stride[0], convolve.kernel_size[0]
        zeros = convolve.weight.new_zeros
        self.rest = zeros(convolve.in_channels, 0)  # samples for frames to come
        self.skip = zeros(convolve.out_channels, 0)  # frames whose decoder input is to come
        self.tail = zeros(self.spread.out_channels, self.length - self.hop)

    def __call__(self, signal: Tensor, last: bool) -> Tensor:
        """Return the samples that no later frame overlaps; with `last` all."""
        frames = self._encoded(signal)
        self.skip = torch.cat([self.skip, frames], 1)
        found = self.inner(frames, last)
        skip, self.skip = self.skip.tensor_split([found.shape[1]], 1)
        return self._decoded(found + skip, last)

    def _encoded(self, signal: Tensor) -> Tensor:
        self.rest = torch.cat([self.rest, signal], 1)
        count = max((self.rest.shape[1] - self.length) // self.hop + 1, 0)
        if not count:
            return self.skip[:, :0]
        frames = self.encode(self.rest)
        self.rest = self.rest[:, count * self.hop :]
        return frames

    def _decoded(self, frames: Tensor, last: bool) -> Tensor:
        final, signals = frames.shape[1] * self.hop, self.tail
        if final:
            gated = self.decode[:2](frames)
            signals = F.conv_transpose1d(gated, self.spread.weight, stride=self.hop)
            signals[:, : self.tail.shape[1]] += self.tail
        self.tail = signals[:, final:]
        signals = signals if last else signals[:, :final]
        signals = signals + cast(Tensor, self.spread.bias)[:, None]
        return cast(Tensor, self.decode[3:](signals))


class Middle:
    """The LSTM with its state."""

    def __init__(self, lstm: Recurrent) -> None:
        self.lstm = lstm
        self.state: tuple[Tensor, Tensor] | None = None

    def __call__(self, frames: Tensor, last: bool) -> Tensor:
        """Map new frames, `[channels, frames]`, to the same shape."""
        if not frames.shape[1]:
            return frames
        found, self.state = self.lstm(frames.T[None], self.state)
        return found[0].T


class Doubled:
    """Twice the sample rate of one signal, `[1, time]`."""

    def __init__(self, halfway: Tensor) -> None:
        self.halfway, self.ahead = halfway, 0
        self.rest = halfway.new_zeros(1, ZEROS - 1)  # the signal under the next filter

    def __call__(self, signal: Tensor, last: bool) -> Tensor:
        """Return the samples whose filters are complete; with `last` zeros follow."""
        self.rest = torch.cat([self.rest, signal, signal.new_zeros(1, ZEROS * last)], 1)
        count = self.rest.shape[1] - 2 * ZEROS + 1
        if count <= 0:
            even, odd = self.rest[:, ZEROS - 1 : ZEROS], self.rest[:, :0]
        else:
            odd = F.conv1d(self.rest, self.halfway)
            even = self.rest[:, ZEROS - 1 : ZEROS + count - last]
            self.rest = self.rest[:, count:]
        paired = torch.stack([even[:, : odd.shape[1]], odd], -1).flatten(1)
        found = torch.cat([paired, even[:, odd.shape[1] :]], 1)[:, self.ahead :]
        self.ahead = even.shape[1] - odd.shape[1]  # one sample, which needs no filter
        return found


class Halved:
    """Half the sample rate of `[sources, time]`."""

    def __init__(self, halfway: Tensor, sources: int) -> None:
        self.halfway = halfway
        self.rest = halfway.new_zeros(sources, 2 * ZEROS)

    def __call__(self, signals: Tensor, last: bool) -> Tensor:
        """Return the samples whose filters are complete; with `last` zeros follow."""
        odd = (self.rest.shape[1] + signals.shape[1]) % 2
        zeros = signals.new_zeros(len(signals), (2 * ZEROS - 2 + odd) * last)
        self.rest = torch.cat([self.rest, signals, zeros], 1)
        count = max(self.rest.shape[1] // 2 - 2 * ZEROS + 1, 0)
        if not count:
            return signals[:, :0]
        pairs = self.rest[:, : self.rest.shape[1] // 2 * 2].unflatten(1, (-1, 2))
        between = F.conv1d(pairs[:, None, :, 1], self.halfway)[:, 0]
        even = pairs[:, ZEROS : ZEROS + count, 0]
        self.rest = self.rest[:, 2 * count :]
        return (even + between) / 2
