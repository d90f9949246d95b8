"""SuDoRM-RF, improved (Tzinis et al. 2020, arXiv:2007.06833), as asteroid has it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn


class Arguments(Section):
    """Hyper-parameters in asteroid's names."""

    n_filters: int = Field(default=512, gt=0, le=16_384)  # filters of the encoder
    kernel_size: int = Field(default=21, ge=3, le=16_384)  # samples a filter; the hop is half of it
    bn_chan: int = Field(default=128, gt=0, le=16_384)  # channels of the bottleneck
    num_blocks: int = Field(default=16, gt=0, le=100)  # U-shaped blocks
    upsampling_depth: int = Field(default=4, gt=0, le=10)  # resolutions in a block
    mask_act: Literal["relu", "softmax", "sigmoid"] = "relu"


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.asteroid import SuDORMRFImprovedNet
    from pipeline.models.library import Library

    given = arguments.model_dump()
    network = SuDORMRFImprovedNet(num_sources, sample_rate=sample_rate, **given)
    del network.encoder.filterbank  # that of the encoder inside once more, which no file can hold
    return Library(network, arguments.kernel_size)


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording: its norms take mean and variance over all frames."""


ENTRY = Entry(Arguments, build, look_ahead)
