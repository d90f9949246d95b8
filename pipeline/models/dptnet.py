"""Dual-path transformer (Chen et al. 2020, arXiv:2007.13975), as asteroid has it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn


class Arguments(Section):
    """Hyper-parameters in asteroid's names; the stride of the encoder is half a filter."""

    n_filters: int = Field(default=64, gt=0, le=16_384)  # filters of the encoder
    kernel_size: int = Field(default=16, ge=2, le=16_384)  # samples a filter
    n_heads: int = Field(default=4, gt=0, le=1000)  # of attention; each has its share of filters
    ff_hid: int = Field(default=256, gt=0, le=16_384)  # units of each direction of the LSTMs
    chunk_size: int = Field(default=100, ge=2, le=100_000)  # frames; chunks overlap by half
    n_repeats: int = Field(default=6, gt=0, le=100)
    norm_type: Literal["gLN", "cLN"] = "gLN"
    mask_act: Literal["relu", "softmax", "sigmoid"] = "relu"

    @model_validator(mode="after")
    def _heads_share_the_filters(self) -> "Arguments":
        if self.n_filters % self.n_heads:
            raise ValueError(
                f"n_filters: {self.n_filters} is no multiple of n_heads: {self.n_heads}, which"
                " share them; change one"
            )
        return self


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.asteroid import DPTNet
    from pipeline.models.library import Library

    stride = arguments.kernel_size // 2
    given = arguments.model_dump()
    network = DPTNet(num_sources, stride=stride, sample_rate=sample_rate, **given)
    return Library(network, arguments.kernel_size)


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording: every chunk is attended to."""


ENTRY = Entry(Arguments, build, look_ahead)
