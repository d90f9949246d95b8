"""Terms of losses that compare samples: `[signals, time]` to `[signals]`.

No mean is removed, unlike in the metrics: an offset that a loss does not see is free to grow, until
the tanh of Wave-U-Net is saturated or a network behind a denoiser has an input it was not trained
on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def neg_snr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative signal-to-noise ratio in dB, −10 log10(‖s‖² / ‖s − ŝ‖²).

    Unlike SI-SDR it fixes the scale of the estimate. `[signals, time]` to `[signals]`.
    """
    from pipeline.models.asteroid import SingleSrcNegSDR

    return SingleSrcNegSDR("snr", zero_mean=False)(estimates, targets)


def neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative scale-invariant SDR in dB (Le Roux et al. 2019, arXiv:1811.02508, equation 3).

    −10 log10(‖αs‖² / ‖αs − ŝ‖²) with α = ŝ·s / ‖s‖². `[signals, time]` to `[signals]`.
    """
    from pipeline.models.asteroid import SingleSrcNegSDR

    return SingleSrcNegSDR("sisdr", zero_mean=False)(estimates, targets)


def pairwise_neg_si_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """Negative SI-SDR of all pairs: `[batch, sources, time]` to `[batch, estimate, target]`."""
    from pipeline.models.asteroid import PairwiseNegSDR

    return PairwiseNegSDR("sisdr", zero_mean=False)(estimates, targets)


def l1(estimates: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error, mean |s − ŝ| over time. `[signals, time]` to `[signals]`.

    >>> import torch
    >>> l1(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.5000])
    """
    return (estimates - targets).abs().mean(-1)
