"""A denoiser of which a share of the mixture is added back."""

from torch import Tensor, nn

from pipeline.models.signals import Inputs, Outputs, passed


class Blended(nn.Module):
    """Returns (1 − a) ŝ + a y for the estimates ŝ of a network and its mixture y.

    Noise that comes back harms a separator less than the artifacts of a denoiser do: observation
    adding (Iwamoto et al. 2022, arXiv:2201.06685).

    Args:
        network: maps `[batch, time]` to `[batch, sources, time]`.
        share: a, between 0 and 1.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, mixture: Tensor, **given: Tensor) -> Outputs:
        """Run the network, with whatever other inputs it takes."""
        found = passed(self.network, Inputs(mixture, **given))
        estimates = found.estimates.float()  # a network in bfloat16 may return that
        return found._replace(estimates=estimates.lerp(mixture[:, None].float(), self.share))
