"""What is minimised. Signals are `[batch, sources, time]`, losses in dB."""

import torch

from pipeline.models.asteroid import PITLossWrapper, pairwise_neg_sisdr, singlesrc_neg_snr

SEPARATOR_FLOOR = -30.0  # dB: what is separated this well teaches nothing more


def denoiser_loss(estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative SNR, mean over the batch: unlike SI-SDR it fixes the scale of the output."""
    return singlesrc_neg_snr(estimates[:, 0], targets[:, 0]).mean()


def separator_loss(estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative SI-SDR under the best permutation, each item cut off at -30 dB, mean.

    Permutation-invariant training as in Kolbæk et al. 2017 (arXiv:1703.06284).
    """
    return best_neg_si_sdr(estimates, targets).clamp(min=SEPARATOR_FLOOR).mean()


def best_neg_si_sdr(estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative SI-SDR of each item under its best permutation: `[batch]`.

    asteroid tries all permutations up to 3 sources and uses the Hungarian method above.
    """
    return PITLossWrapper.find_best_perm(pairwise_neg_sisdr(estimates, targets))[0]


def aligned(estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The estimates in the order that fits the targets best: `[batch, sources, time]`."""
    _, order = PITLossWrapper.find_best_perm(pairwise_neg_sisdr(estimates, targets))
    return PITLossWrapper.reorder_source(estimates, order)


LOSSES = {"snr": denoiser_loss, "si_sdr": separator_loss}
