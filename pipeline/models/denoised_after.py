"""A separator whose estimates are denoised."""

import torch
from torch import Tensor, nn

from pipeline.models.signals import Inputs, Outputs, passed


class DenoisedAfter(nn.Module):
    """Separates a mixture, and denoises each of its sources by itself.

    A separator that is trained on SI-SDR leaves scale and sign of its estimates ŝ open, but what a
    denoiser does may depend on the level of its input. Each estimate is therefore brought to the
    scale α at which it is closest to the mixture y, that is, at which ‖y − α ŝ‖² is least:

        α = ⟨y, ŝ⟩ / ‖ŝ‖².

    This is the scale of SI-SDR (Le Roux et al. 2019, arXiv:1811.02508) with the mixture in the
    place of the unknown source. The sources of a mixture hardly correlate with each other and with
    the noise, so that for ŝ = c s it is about 1 / c. Each estimate has its own scale, since a
    solution for all of them at once has no bound where two estimates are nearly alike.

    Args:
        separator: maps `[batch, time]` to `[batch, sources, time]`.
        denoiser: maps `[batch, time]` to `[batch, 1, time]`.
    """

    def __init__(self, separator: nn.Module, denoiser: nn.Module) -> None:
        super().__init__()
        self.separator, self.denoiser = separator, denoiser

    def forward(self, mixture: Tensor) -> Outputs:
        """Estimate the sources: `[batch, sources, time]`."""
        separated = passed(self.separator, Inputs(mixture)).estimates
        sources = scaled_to(mixture, separated)
        denoised = passed(self.denoiser, Inputs(sources.flatten(0, 1))).estimates
        return Outputs(denoised[:, 0].unflatten(0, sources.shape[:2]))


def scaled_to(mixture: Tensor, estimates: Tensor) -> Tensor:
    """Estimates `[batch, sources, time]` at the scale at which each is closest to the mixture.

    A silent estimate stays silent.

    Args:
        mixture: `[batch, time]`.
        estimates: of any scale.

    >>> scaled_to(torch.tensor([[3.0, 2.0]]), torch.tensor([[[-0.5, 0.0], [0.0, 0.0]]]))
    tensor([[[3., -0.],
             [0., 0.]]])
    """
    found = estimates.float()  # a network in bfloat16 may return that
    loudest = found.abs().amax(-1, keepdim=True)
    found = found / torch.where(loudest > 0, loudest, 1)  # squares of tiny numbers would be zero
    power = found.square().sum(-1, keepdim=True)
    along = (mixture[:, None].float() * found).sum(-1, keepdim=True)
    return found * along / torch.where(power > 0, power, 1)
