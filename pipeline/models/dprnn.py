"""Dual-path RNN (Luo et al. 2020, arXiv:1910.06379), as asteroid has it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn


class Arguments(Section):
    """Hyper-parameters in asteroid's names; the stride of the encoder is half a filter."""

    n_filters: int = Field(default=64, gt=0, le=16_384)  # filters of the encoder
    kernel_size: int = Field(default=16, ge=2, le=16_384)  # samples a filter
    bn_chan: int = Field(default=128, gt=0, le=16_384)  # channels of the bottleneck
    hid_size: int = Field(default=128, gt=0, le=16_384)  # units of each direction
    chunk_size: int = Field(default=100, ge=2, le=100_000)  # frames; chunks overlap by half
    n_repeats: int = Field(default=6, gt=0, le=100)
    norm_type: Literal["gLN", "cLN"] = "gLN"
    mask_act: Literal["relu", "softmax", "sigmoid"] = "sigmoid"
    rnn_type: Literal["LSTM", "GRU", "RNN"] = "LSTM"
    bidirectional: bool = True  # the recurrence over chunks; the one in a chunk always is


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.asteroid import DPRNNTasNet
    from pipeline.models.library import Library

    stride = arguments.kernel_size // 2
    given = arguments.model_dump()
    network = DPRNNTasNet(num_sources, stride=stride, sample_rate=sample_rate, **given)
    return Library(network, arguments.kernel_size)


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording: recurrence in both directions, or norms over all frames.

    Where it goes forwards over chunks and the norms are those of a frame, chunks still are
    normalised together.
    """


ENTRY = Entry(Arguments, build, look_ahead)
