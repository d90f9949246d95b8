"""The network of Demucs, with the authors' names of its weights."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.demucs import Arguments
from pipeline.models.demucs.sinc import doubled, halfway_filter, halved

SMALLEST = 1e-20
"""Mean squares below this count as this, so that gradients are finite for silence."""


class Demucs(nn.Module):
    """A U-Net of gated convolutions on the waveform with an LSTM in its middle (section 2.1).

    The mixture x is divided by σ + floor, and the estimates are multiplied by σ. With
    `normalize: utterance`, σ = √(Σ (x[i] - mean)² / (T - 1)) over all T samples. With `running`,
    σ[t] = √(Σ x[i]² / (t + 1)) over the samples i = 0 … t, in training as well as in a stream.

    The tensors have the names and shapes of the authors' code, so that their weights fit.
    """

    halfway: Tensor

    def __init__(self, arguments: Arguments, num_sources: int, sample_rate: int) -> None:
        super().__init__()
        self.arguments, self.num_sources, self.sample_rate = arguments, num_sources, sample_rate
        a, inputs, outputs = arguments, 1, num_sources
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level in range(a.depth):
            channels = a.hidden * a.growth**level
            convolve = nn.Conv1d(inputs, channels, a.kernel_size, a.stride)
            self.encoder.append(nn.Sequential(convolve, nn.ReLU(), *_gated(a, channels)))
            spread = nn.ConvTranspose1d(channels, outputs, a.kernel_size, a.stride)
            rectify = [nn.ReLU()] if level else []  # not of the estimates
            self.decoder.insert(0, nn.Sequential(*_gated(a, channels), spread, *rectify))
            inputs = outputs = channels
        self.lstm = Recurrent(inputs, a.causal)
        self.register_buffer("halfway", halfway_filter(), persistent=False)
        _rescale(self, a.rescale)

    def forward(self, mixtures: Tensor) -> Tensor:
        """Estimate the sources: `[batch, time]` to `[batch, sources, time]`."""
        time, doublings = mixtures.shape[-1], range(self.arguments.doublings)
        scales = self._scales(mixtures)
        signals = mixtures / (self.arguments.floor + scales)
        signals = F.pad(signals, (0, self.arguments.padded(time) - time))
        for _ in doublings:
            signals = doubled(signals, self.halfway)
        signals = self._pass_levels(signals[:, None]).to(mixtures.dtype)
        for _ in doublings:
            signals = halved(signals, self.halfway)
        return signals[..., :time] * scales[:, None]

    def _scales(self, mixtures: Tensor) -> Tensor:
        """σ of each mixture, `[batch, 1]`, or of each sample, `[batch, time]`."""
        time = mixtures.shape[-1]
        if self.arguments.normalize == "utterance":
            return mixtures.std(-1, correction=min(1, time - 1), keepdim=True)
        return running_scales(mixtures)[0].to(mixtures.dtype)

    def _pass_levels(self, signals: Tensor) -> Tensor:
        skips = []
        for encode in self.encoder:
            signals = encode(signals)
            skips.append(signals)
        signals = self.lstm(signals.transpose(1, 2))[0].transpose(1, 2)
        for decode, skip in zip(self.decoder, reversed(skips), strict=True):
            signals = decode(signals + skip[..., : signals.shape[-1]])
        return signals


class Recurrent(nn.Module):
    """Two layers of LSTM; those in both directions have a linear layer behind them."""

    def __init__(self, channels: int, causal: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, 2, batch_first=True, bidirectional=not causal)
        self.linear = None if causal else nn.Linear(2 * channels, channels)

    def forward(
        self, frames: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map `[batch, frames, channels]` to the same shape; also return the state at the end."""
        frames, state = self.lstm(frames, state)
        return frames if self.linear is None else self.linear(frames), state


def running_scales(
    mixtures: Tensor, count: int = 0, energy: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Standard deviation around zero of the samples up to each, in double precision.

    Args:
        mixtures: `[..., time]`.
        count: samples before these.
        energy: sum of the squares of the samples before these, `[...]`.

    Returns:
        The standard deviations, `[..., time]`, and the energy after the last sample, `[...]`.
    """
    energies = mixtures.double().square().cumsum(-1) + torch.as_tensor(energy)[..., None]
    counts = torch.arange(1, mixtures.shape[-1] + 1, device=mixtures.device) + count
    return (energies / counts).clamp(min=SMALLEST).sqrt(), energies[..., -1]


def _gated(arguments: Arguments, channels: int) -> Iterator[nn.Module]:
    """A 1x1 convolution and its activation."""
    yield nn.Conv1d(channels, channels * (1 + arguments.glu), 1)
    yield nn.GLU(-2) if arguments.glu else nn.ReLU()


def _rescale(network: nn.Module, reference: float) -> None:
    """Divide weight and bias of each convolution by √(standard deviation / reference).

    From section 4.4 of Défossez et al. 2019, arXiv:1911.13254.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
                scale = (layer.weight.std() / reference).sqrt()
                for parameter in layer.parameters():
                    parameter.div_(scale)
