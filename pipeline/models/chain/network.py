"""The network of a chain."""

from torch import Tensor, nn

from pipeline.models.signals import Inputs, Outputs, passed


class Chain(nn.Module):
    """Separates what a denoiser makes of a mixture, whose output is returned as `inner`.

    Args:
        first: maps `[batch, time]` to `[batch, 1, time]`.
        second: maps `[batch, time]` to `[batch, sources, time]`.
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, mixture: Tensor) -> Outputs:
        """Estimate the sources, and the mixture without noise: `[batch, 1, time]`."""
        inner = passed(self.first, Inputs(mixture)).estimates
        return passed(self.second, Inputs(inner[:, 0]))._replace(inner=inner)
