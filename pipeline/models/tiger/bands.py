"""The bands of a spectrogram, and layers that have weights of their own for each."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

EPSILON = 1e-8


def widths(bands: Sequence[tuple[float, float]], window: int, sample_rate: int) -> list[int]:
    """Bins of each band of an STFT with `window` samples, of 1 bin at least.

    What remains at the end is a band of its own: at 16 kHz the bands of the paper are 67.

    >>> paper = [(1000, 25), (2000, 100), (4000, 250), (8000, 500)]
    >>> len(widths(paper, window=640, sample_rate=16000))
    67
    """
    bins, found, width = window // 2 + 1, list[int](), 1
    hertz = sample_rate / window
    for edge, wide in bands:
        width = max(round(wide / hertz), 1)
        below = min(round(edge / hertz), bins) - sum(found)
        found += [width] * (below // width)
    rest = bins - sum(found)
    return [*found, *[width] * (rest // width), *([rest % width] if rest % width else [])]


def runs(found: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The bands as pairs of a number of neighbours and the bins that each of them has.

    >>> list(runs([2, 2, 2, 4, 1]))
    [(3, 2), (1, 4), (1, 1)]
    """
    count = 0
    for index, width in enumerate(found):
        count += 1
        if index + 1 == len(found) or found[index + 1] != width:
            yield count, width
            count = 0


class Banded(nn.Module):
    """A linear map for each band: `[bands, positions, inputs]` to `[bands, positions, outputs]`.

    Weights are drawn as those of a linear layer of torch.
    """

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(bands, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(bands, 1, outputs).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """Multiply each band by its matrix."""
        return torch.baddbmm(self.bias, values, self.weight)


class Split(nn.Module):
    """Neighbouring bands of one width, each normalised over a recording, then mapped to features.

    Maps `[batch, bands * width, frames, 2]`, the last axis real and imaginary parts, to
    `[batch, bands, frames, features]`.
    """

    def __init__(self, bands: int, width: int, features: int) -> None:
        super().__init__()
        self.shape = bands, width
        self.gain = nn.Parameter(torch.ones(bands, 1, 1, 2 * width))
        self.shift = nn.Parameter(torch.zeros(bands, 1, 1, 2 * width))
        self.linear = Banded(bands, 2 * width, features)

    def forward(self, spectra: Tensor) -> Tensor:
        """Features of each band."""
        (bands, width), (batch, _, frames, _) = self.shape, spectra.shape
        values = spectra.view(batch, bands, width, frames, 2).permute(1, 0, 3, 2, 4).flatten(3)
        variances, means = torch.var_mean(values, (2, 3), correction=0, keepdim=True)
        values = (values - means) * (variances + EPSILON).rsqrt() * self.gain + self.shift
        return self.linear(values.flatten(1, 2)).unflatten(1, (batch, frames)).transpose(0, 1)


class Masks(nn.Module):
    """Complex masks of neighbouring bands of one width, each for itself.

    Maps `[batch, bands, frames, features]` to `[batch, sources, bands * width, frames]`. Half of
    the outputs are gates for the other half (equation 7 of the paper). Where the features can be
    divided by the number of sources, each source has its part of them, as in the paper's code.
    """

    def __init__(self, bands: int, width: int, features: int, sources: int) -> None:
        super().__init__()
        self.shape = bands, width
        self.parts, self.each = (sources, 1) if features % sources == 0 else (1, sources)
        self.prelu = nn.Parameter(torch.full((bands, 1, 1, 1), 0.25))
        self.linear = Banded(bands * self.parts, features // self.parts, 4 * width * self.each)

    def forward(self, features: Tensor) -> Tensor:
        """The masks of each band."""
        (bands, width), (batch, _, frames, _) = self.shape, features.shape
        values = features.transpose(0, 1)
        values = torch.where(values < 0, self.prelu * values, values)
        values = values.unflatten(3, (self.parts, -1)).permute(0, 3, 1, 2, 4)
        masks = self.linear(values.flatten(0, 1).flatten(1, 2))
        masks = masks.view(bands, self.parts, batch, frames, self.each, 2, width, 2)
        masks = masks[..., 0, :, :] * masks[..., 1, :, :].sigmoid()
        # bf16 has no complex numbers.
        masks = torch.view_as_complex(masks.to(torch.promote_types(masks.dtype, torch.float32)))
        masks = masks.permute(2, 1, 4, 0, 5, 3)  # batch, parts, each, bands, width, frames
        return masks.flatten(3, 4).flatten(1, 2)
