"""Conv-TasNet (Luo & Mesgarani 2019, arXiv:1809.07454), with asteroid's names of its weights.

`network.py` is the network for training, `tiled.py` the same on CPUs without gradients,
`streaming.py` the causal one for a signal that is still being recorded.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn

    from pipeline.models.conv_tasnet.network import ConvTasNet
    from pipeline.models.conv_tasnet.streaming import Stream

EPSILON = 1e-8
"""Added to variances before division in norms."""

Width = Annotated[int, Field(gt=0, le=16_384)]


class Arguments(Section):
    """Hyper-parameters named as in the paper (Table I)."""

    N: Width = 512  # filters of the encoder
    L: int = Field(default=16, ge=2, le=16_384)  # samples of a filter; the hop is half of it
    B: Width = 128  # channels of the bottleneck
    H: Width = 512  # channels inside of a block
    Sc: int = Field(default=128, ge=0, le=16_384)  # channels of the skip connections; 0: none
    P: int = Field(default=3, gt=0, le=1000)  # kernel size of a block
    X: int = Field(default=8, gt=0, le=20)  # blocks in a repeat
    R: int = Field(default=3, gt=0, le=100)  # repeats
    norm: Literal["gLN", "cLN"] = "gLN"  # a causal network always uses cLN
    mask: Literal["relu", "sigmoid"] = "relu"
    causal: bool = False


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network, which maps `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.conv_tasnet.network import ConvTasNet

    return ConvTasNet(arguments, num_sources, sample_rate)


def look_ahead(arguments: Arguments, sample_rate: int) -> float | None:
    """Return how many seconds of audio after a sample its estimate uses; None: the whole recording.

    A sample is the sum of the frames that cover it. The last of them begins at the sample at the
    latest, and so ends L - 1 samples later. Every block of a non-causal network uses (P - 1) / 2
    steps of its dilation of the future; dilations are 1, 2, 4 … 2^(X - 1) frames in all R repeats.
    """
    a = arguments
    # gLN takes mean and variance over all frames; a causal network uses cLN instead.
    if a.norm == "gLN" and not a.causal:
        return None
    frames = 0 if a.causal else a.R * sum((a.P - 1) * 2**x // 2 for x in range(a.X))
    return (frames * (a.L // 2) + a.L - 1) / sample_rate


def stream(network: "ConvTasNet") -> "Stream":
    """The causal network for a signal that is still coming in."""
    from pipeline.models.conv_tasnet.streaming import Stream

    return Stream(network)


ENTRY = Entry(Arguments, build, look_ahead, exact_padding=True, stream=stream)
