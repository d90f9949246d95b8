"""Demucs for speech enhancement (Défossez, Synnaeve & Adi 2020, arXiv:2006.12847).

`network.py` is the network, `sinc.py` its resampling, `streaming.py` the causal network for a
signal that is still being recorded, `published.py` reads weights that the authors' code wrote.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.models.entry import Entry, Foreign
from pipeline.models.strided import Strided

if TYPE_CHECKING:
    from torch import nn

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.demucs.network import Demucs
    from pipeline.models.demucs.streaming import Stream


ZEROS = 56
"""Zero crossings on each side of the filters that double and halve the sample rate."""

LICENCE = (
    "facebookresearch/denoiser, weights: CC BY-NC 4.0, no commercial use (Défossez, Synnaeve &"
    " Adi, Facebook AI Research)"
)


class Arguments(Strided):
    """Hyper-parameters; depth, kernel_size and stride are the paper's L, K and S.

    `normalize` selects the scale σ by which the mixture is divided and the estimates are
    multiplied: with `utterance` the standard deviation of the whole mixture, with `running` that
    of its samples so far, around zero (`network.py` has the formulas).
    """

    hidden: int = Field(default=48, ge=2, le=4096)  # H, channels of the first level
    growth: int = Field(default=2, gt=0, le=16)  # each level has so many times the channels
    resample: Literal[1, 2, 4] = 4  # U, the samples inside for each of the mixture
    glu: bool = True  # 1x1 convolutions are gated; else a ReLU follows them
    causal: bool = True  # an LSTM forwards; else in both directions, and a linear layer
    normalize: Literal["utterance", "running"] = "utterance"
    floor: float = Field(default=1.0e-3, gt=0, le=1)  # added to σ before the division
    rescale: float = Field(default=0.1, gt=0, le=10)  # of the initial weights

    @property
    def doublings(self) -> int:
        """How often the sample rate is doubled on the way in and halved on the way out."""
        return self.resample.bit_length() - 1

    def padded(self, time: int) -> int:
        """Samples of a mixture of `time` with the zeros behind it that its last filters need."""
        return -(-self.whole(self.resample * time) // self.resample)


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.demucs.network import Demucs

    return Demucs(arguments, num_sources, sample_rate)


def look_ahead(arguments: Arguments, sample_rate: int) -> float | None:
    """Seconds of audio after a sample on which its estimate depends; None: the whole recording."""
    if not arguments.causal or arguments.normalize == "utterance":
        return None
    return max(last - sample for sample, last in steps(arguments, arguments.resample)) / sample_rate


def steps(arguments: Arguments, count: int) -> list[tuple[int, int]]:
    """Samples whose estimates need a frame more than those before, and the last sample they need.

    Each halving of the rate looks ahead to sample 2 n + 2 Z - 1 for sample n, Z being the zero
    crossings on each side of its filter, and all together to U n + (U - 1)(2 Z - 1). In between, a
    frame of the deepest level, which begin every S^L samples, ends `reach` samples after its
    beginning. A doubling needs sample (n - 1) // 2 + Z for its sample n.
    """
    a, found = arguments, []
    ahead = (a.resample - 1) * (2 * ZEROS - 1)
    first = ahead // a.hop + 1
    for frame in range(first, first + count):
        sample = -(-(frame * a.hop - ahead) // a.resample)
        last = frame * a.hop + a.reach
        for _ in range(a.doublings):
            last = (last - 1) // 2 + ZEROS
        found.append((sample, last))
    return found


def stream(network: "Demucs") -> "Stream":
    """The causal network for a signal that is still coming in."""
    from pipeline.models.demucs.streaming import Stream

    return Stream(network)


def read(source: str) -> "Checkpoint":
    """Read weights that the authors' code wrote."""
    from pipeline.models.demucs.published import read_published

    return read_published(source)


ENTRY = Entry(Arguments, build, look_ahead, stream=stream, foreign=Foreign(read, LICENCE))
