"""The loss of outputs whose speaker is absent: estimates and mixtures `[…, time]` to `[…]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 30.0
"""Soft threshold in dB: an output this far below the mixture hardly becomes quieter."""
SMALLEST = 1e-8  # energy that replaces that of a silent mixture


def level(estimates: Tensor, mixtures: Tensor) -> Tensor:
    """Level of estimates of absent speakers, relative to the mixture, in dB.

    With an estimate ŝ, the mixture x and τ = 10^(−`FLOOR` / 10),

        10 log10(‖ŝ‖² + τ ‖x‖²) − 10 log10 ‖x‖² = 10 log10(‖ŝ‖² / ‖x‖² + τ).

    The first term is the loss of inactive sources of Wisdom et al. (2021, arXiv:2011.00803). The
    second one depends on the mixture alone: it changes neither gradients nor the best order, and
    makes the value independent of the level of the mixture, like those of SNR and SI-SDR.
    `[…, time]` to `[…]`, at least −`FLOOR`.

    >>> import torch
    >>> estimates, mixtures = torch.tensor([[0.0, 0.0], [0.3, 0.4]]), torch.tensor([[3.0, 4.0]])
    >>> level(estimates, mixtures).round(decimals=1)  # silence, and 20 dB below the mixture
    tensor([-30.0000, -19.6000])
    """
    energy, whole = (signals.square().sum(-1) for signals in (estimates, mixtures))
    return 10 * (energy / whole.clamp(min=SMALLEST) + 10 ** (-FLOOR / 10)).log10()


def nothing(estimates: Tensor, mixtures: Tensor) -> Tensor:
    """No loss, for terms that have no value where the target is zero."""
    return estimates.new_zeros(estimates.shape[:-1])


def is_absent(targets: Tensor) -> Tensor:
    """Whether targets `[…, time]` are zero throughout: `[…]`."""
    return (targets == 0).all(-1)
