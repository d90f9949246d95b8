"""Wave-U-Net (Stoller, Ewert & Dixon 2018, arXiv:1806.03185)."""

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn

DOWN, UP = 15, 5
"""Frames of a filter on the way down and on the way up."""


class Arguments(Section):
    """Hyper-parameters named as in the paper."""

    L: int = Field(default=12, gt=0, le=20)  # levels; each halves the rate
    F: int = Field(default=24, gt=0, le=1024)  # more filters at each level than at that above


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.wave_u_net.network import WaveUNet

    return WaveUNet(arguments, num_sources)


def look_ahead(arguments: Arguments, sample_rate: int) -> float:
    """Seconds of audio after a sample on which its estimate depends: 4.4 s at 16 kHz by default.

    On the way through all levels, a filter on the way down reaches d = 7 frames ahead, one on the
    way up u = 2, and a frame between two others depends on the second one. For sample n the last
    frame of the deepest level is ⌈(n - u) / 2^L⌉ + u + d, and it depends on the samples up to
    2^L (frame + d) - d. The most that this is beyond n is 2^L (1 + u + 2 d) - u - d - 1.
    """
    down, up = DOWN // 2, UP // 2
    return (2**arguments.L * (1 + up + 2 * down) - up - down - 1) / sample_rate


ENTRY = Entry(Arguments, build, look_ahead, exact_padding=True)
