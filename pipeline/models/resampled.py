"""A network of one sample rate for audio of another."""

import math

from julius.resample import ResampleFrac
from torch import Tensor, nn

ZEROS = 24
"""Zero crossings on each side of the resampling filter."""
ROLLOFF = 0.945


class Resampled(nn.Module):
    """Resamples the audio to the rate of a network, and its estimates back.

    The windowed-sinc filters have linear phase and are centred (Smith 2002, "Digital audio
    resampling", https://ccrma.stanford.edu/~jos/resample/), so that nothing is delayed. Maps
    `[batch, time]` to `[batch, sources, time]`.
    """

    def __init__(self, network: nn.Module, outer: int, inner: int) -> None:
        super().__init__()
        self.network, self.outer, self.inner = network, outer, inner
        self.before = ResampleFrac(outer, inner, ZEROS, ROLLOFF)
        self.after = ResampleFrac(inner, outer, ZEROS, ROLLOFF)

    def forward(self, mixture: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Estimate the sources, at the rate and of the length of the mixture."""
        time = mixture.shape[-1]
        # Rounded up, since the last samples would be cut off on the way back.
        resampled = self.before(mixture, output_length=-(-time * self.inner // self.outer))
        given = () if lengths is None else (-(-lengths * self.inner // self.outer),)
        return self.after(self.network(resampled, *given), output_length=time)


def resampling_look_ahead(outer: int, inner: int) -> float:
    """Seconds of audio after a sample on which both filters together depend."""
    width = ZEROS / (ROLLOFF * min(outer, inner))
    return sum(math.ceil(width * rate) / rate for rate in (outer, inner))
