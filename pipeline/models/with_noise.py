"""A separator with the noise as a further output."""

from typing import Any

from torch import Tensor, nn

from pipeline.models.signals import Inputs, Outputs, passed


class WithNoise(nn.Module):
    """Returns the sources and, by itself, the noise that a network estimates as its last output.

    Together they are the mixture y (Wisdom et al. 2019, arXiv:1811.08521): each of the K signals ŝ
    of the network becomes ŝ + (y − Σ ŝ) / K. A network that must also say what the noise is
    separates noisy mixtures better (Zhang et al. 2023, arXiv:2305.10761).

    Args:
        network: maps `[batch, time]` to `[batch, sources + 1, time]`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor, **given: Tensor) -> Outputs:
        """Run the network, with whatever other inputs it takes."""
        found = passed(self.network, Inputs(mixture, **given))
        signals = found.estimates.float()  # a network in bfloat16 may return that
        missing = mixture.float() - signals.sum(1)
        signals = signals + missing[:, None] / signals.shape[1]
        return found._replace(estimates=signals[:, :-1], noise=signals[:, -1])


def bare(network: nn.Module) -> Any:
    """The network that is the same with and without an output for the noise."""
    return network.network if isinstance(network, WithNoise) else network
