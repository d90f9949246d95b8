"""GateWave: a U-Net of gated convolutions on the waveform, with a GRU in its middle."""

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.models.entry import Entry
from pipeline.models.strided import Strided

if TYPE_CHECKING:
    from torch import nn


class Arguments(Strided):
    """Hyper-parameters; each level has twice the channels of the level above it."""

    channels: int = Field(default=48, gt=0, le=4096)  # of the first level


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.gatewave.network import GateWave

    return GateWave(arguments, num_sources)


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording: the GRU runs in both directions, and norms are over all frames."""


ENTRY = Entry(Arguments, build, look_ahead)
