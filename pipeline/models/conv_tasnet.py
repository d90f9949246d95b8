"""Conv-TasNet (Luo & Mesgarani 2019, arXiv:1809.07454), asteroid's implementation."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from pipeline.config import Section

if TYPE_CHECKING:
    from torch import nn


class Arguments(Section):
    """Hyper-parameters in the paper's letters (its Table I)."""

    N: PositiveInt = 512  # filters of the encoder
    L: int = Field(default=16, ge=2)  # samples a filter; the hop is half of it
    B: PositiveInt = 128  # channels of the bottleneck
    H: PositiveInt = 512  # channels inside a block
    Sc: PositiveInt = 128  # channels of the skip connections
    P: PositiveInt = 3  # kernel of a block
    X: PositiveInt = 8  # blocks a repeat
    R: PositiveInt = 3  # repeats
    norm: Literal["gLN", "cLN"] = "gLN"
    mask: Literal["relu", "sigmoid"] = "relu"
    causal: bool = False


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.asteroid import ConvTasNet

    a = arguments
    return ConvTasNet(
        n_src=num_sources,
        n_filters=a.N,
        kernel_size=a.L,
        stride=a.L // 2,
        bn_chan=a.B,
        hid_chan=a.H,
        skip_chan=a.Sc,
        conv_kernel_size=a.P,
        n_blocks=a.X,
        n_repeats=a.R,
        norm_type=a.norm,
        mask_act=a.mask,
        causal=a.causal,
        sample_rate=sample_rate,
    )
