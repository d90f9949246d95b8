"""Doubling and halving of a sample rate by a windowed sinc (Smith & Gossett 1984).

Both use the values of a band-limited signal halfway between its samples,

    x(n + 1/2) = Σ_k x[n + 1 - Z + k] h[k],   h[k] = sinc(t) cos²(π t / 2Z),   t = k - Z + 1/2,

for k = 0 … 2Z - 1, with zeros beyond the ends. These are the filters that published weights of
Demucs were trained with. `julius.ResampleFrac` has others: it scales each to sum to 1, and repeats
the first and the last sample beyond the ends.
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models.demucs import ZEROS


def halfway_filter() -> Tensor:
    """The filter h, `[1, 1, 2 ZEROS]`."""
    times = torch.arange(2 * ZEROS, dtype=torch.double) - ZEROS + 0.5
    window = torch.cos(torch.pi * times / (2 * ZEROS)).square()
    return (torch.sinc(times) * window).to(torch.get_default_dtype())[None, None]


def doubled(signals: Tensor, halfway: Tensor) -> Tensor:
    """Double the sample rate: `[..., time]` to `[..., 2 time]`; the samples are kept.

    >>> wave = torch.cos(torch.pi / 4 * torch.arange(400))
    >>> fine = torch.cos(torch.pi / 8 * torch.arange(800))
    >>> bool((doubled(wave, halfway_filter()) - fine)[200:600].abs().max() < 1e-3)
    True
    """
    between = _between(signals, halfway, (ZEROS - 1, ZEROS))
    return torch.stack([signals, between], -1).flatten(-2)


def halved(signals: Tensor, halfway: Tensor) -> Tensor:
    """Halve the sample rate: `[..., time]` to `[..., ⌈time / 2⌉]`.

    Sample n is (x[2 n] + the value that the odd samples have at the place of x[2 n]) / 2, which
    keeps the frequencies below half of the new rate.
    """
    even, odd = F.pad(signals, (0, signals.shape[-1] % 2)).unflatten(-1, (-1, 2)).unbind(-1)
    return (even + _between(odd, halfway, (ZEROS, ZEROS - 1))) / 2


def _between(signals: Tensor, halfway: Tensor, zeros: tuple[int, int]) -> Tensor:
    """Filter `[..., time]` with zeros before and after it, always in full precision."""
    device, flat = signals.device.type, signals.reshape(-1, 1, signals.shape[-1])
    lower = torch.amp.is_autocast_available(device)  # not for a device of the shapes alone
    with torch.autocast(device, enabled=False) if lower else nullcontext():
        return F.conv1d(F.pad(flat, zeros), halfway).view_as(signals)
