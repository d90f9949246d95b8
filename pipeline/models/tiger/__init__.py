"""TIGER (Xu, Li, Chen & Hu 2025, arXiv:2410.01469): blocks over bands and frames of a spectrogram.

The paper's block is `path: attention`. With `path: lstm` there is an LSTM along the bands and one
along the frames instead, as in BSRNN (Luo & Yu 2023, arXiv:2209.15174) and TF-GridNet (Wang et al.
2023, arXiv:2211.12433): the same number of multiply-adds takes a fraction of the time on a CPU.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config import Section
from pipeline.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn


Hertz = Annotated[float, Field(gt=0, le=1_000_000)]


class Arguments(Section):
    """Sizes. TIGER (small) of the paper is the comment at the end of each line.

    `bands` has pairs in Hz: up to the first value, each band is as wide as the second one. The last
    width goes on to half the sample rate.
    """

    window_ms: float = Field(default=32, ge=1, le=1000)  # 40
    hop_ms: float = Field(default=16, ge=0.5, le=500)  # 10
    bands: list[tuple[Hertz, Hertz]] = Field(
        default=[(1000, 62.5), (2000, 125), (4000, 250), (8000, 500)], min_length=1
    )  # [(1000, 25), (2000, 100), (4000, 250), (8000, 500)]
    features: int = Field(default=48, gt=0, le=16_384)  # 128: N, of a band in a frame
    hidden: int = Field(
        default=64, gt=0, le=16_384
    )  # 256: inside a path, in each direction of LSTMs
    blocks: int = Field(default=6, gt=0, le=100)  # 4
    shared: bool = False  # true: all blocks have the same weights
    path: Literal["lstm", "attention"] = "lstm"  # attention
    depth: int = Field(default=5, ge=2, le=10)  # 5: D, resolutions of a path of attention
    heads: int = Field(default=4, gt=0, le=1000)  # 4
    head_features: int = Field(default=4, gt=0, le=16_384)  # 4: E, of a query

    @model_validator(mode="after")
    def _windows_overlap(self) -> "Arguments":
        if 2 * self.hop_ms > self.window_ms:
            raise ValueError(
                f"hop_ms: {self.hop_ms:g} is more than half of window_ms: {self.window_ms:g}, from"
                " which no signal can be put together again; lower it"
            )
        return self

    @model_validator(mode="after")
    def _bands_ascend(self) -> "Arguments":
        edges = [0.0, *(edge for edge, _ in self.bands)]
        if edges != sorted(set(edges)):
            raise ValueError(
                "bands: give pairs [up to, width] in Hz whose first values ascend, as"
                " [[1000, 62.5], [4000, 250]]"
            )
        return self

    @model_validator(mode="after")
    def _heads_share_the_features(self) -> "Arguments":
        if self.path == "attention" and self.features % self.heads:
            raise ValueError(
                f"features: {self.features} is no multiple of heads: {self.heads}, which share"
                " them; change one"
            )
        return self


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.tiger.network import Tiger

    return Tiger(arguments, num_sources, sample_rate)


def look_ahead(arguments: Arguments, sample_rate: int) -> None:
    """The whole recording: its norms, and paths along the frames in both directions."""


ENTRY = Entry(Arguments, build, look_ahead)
