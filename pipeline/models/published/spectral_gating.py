"""Spectral gating, a classical denoiser: what is not above the noise of its frequency goes.

The gate with a smoothed mask is that of Sainburg & Zorea 2024 (noisereduce, arXiv:2412.17851); the
noise is the median of the magnitudes of a frequency, since speech fills less than half of them
(Stahl, Fischer & Bippus 2000, ICASSP, doi:10.1109/ICASSP.2000.862122): no pause has to be found.
"""

from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry
from pipeline.tasks import DENOISE

if TYPE_CHECKING:
    from torch import Tensor, nn

WINDOW, HOP = 0.032, 0.008  # seconds
WIDTH, LENGTH = 500.0, 0.05
"""Hz and seconds to each side over which the mask is smoothed."""


class Arguments(Section):
    """The gate in dB."""

    threshold: float = Field(default=6, ge=0, le=60)  # above the noise, from which a bin is kept
    reduction: float = Field(default=12, ge=0, le=120)  # of the bins that are not kept


def denoised(samples: "Tensor", arguments: Arguments, rate: int) -> "Tensor":
    """Gate a recording `[time]` of `rate` Hz.

    With magnitudes M(f, t), their median N(f) and a triangular kernel T, whose sum is 1, the
    mask is

        g + (1 - g) · T * [M > c N],  c = 10^(threshold/20),  g = 10^(-reduction/20).
    """
    import torch
    from torch.nn.functional import conv2d

    size, hop = round(WINDOW * rate), round(HOP * rate)
    window = torch.hann_window(size)
    spectrum = torch.stft(
        samples, size, hop, window=window, pad_mode="constant", return_complex=True
    )
    magnitudes = spectrum.abs()
    noise = magnitudes.median(dim=1, keepdim=True).values
    kept = (magnitudes > 10 ** (arguments.threshold / 20) * noise).float()
    kernel = torch.outer(_triangle(round(WIDTH * size / rate)), _triangle(round(LENGTH / HOP)))
    smooth = conv2d(kept[None], kernel[None, None], padding="same")[0]
    least = 10 ** (-arguments.reduction / 20)
    masked = (least + (1 - least) * smooth) * spectrum
    return torch.istft(masked, size, hop, window=window, length=len(samples))


def _triangle(side: int) -> "Tensor":
    """Weights of a centre and its neighbours on each side, the sum of which is 1."""
    import torch

    weights = side + 1 - torch.arange(-side, side + 1).abs()
    return weights / weights.sum()


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the module: `[batch, time]` to `[batch, 1, time]`."""
    from pipeline.models.published.by_item import ByItem

    return ByItem(partial(denoised, arguments=arguments, rate=sample_rate))


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording, whose medians are the noise."""


ENTRY = Entry(
    Arguments, build, look_ahead, tasks=(DENOISE.name,), exact_padding=True, trained=False
)
