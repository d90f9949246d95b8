"""A network of one sample rate for audio of another."""

import math

import torch
from julius.resample import ResampleFrac
from torch import Tensor, nn

from pipeline.models.signals import Inputs, Outputs, passed

ZEROS = 24
"""Zero crossings on each side of the resampling filter."""
ROLLOFF = 0.945


class Resampled(nn.Module):
    """Resamples the audio to the rate of a network, and its estimates back.

    The windowed-sinc filters have linear phase and are centred (Smith 2002, "Digital audio
    resampling", https://ccrma.stanford.edu/~jos/resample/), so that nothing is delayed. Estimates
    have the rate and the length of the mixture.
    """

    def __init__(self, network: nn.Module, outer: int, inner: int) -> None:
        super().__init__()
        self.network, self.outer, self.inner = network, outer, inner
        self.before = ResampleFrac(outer, inner, ZEROS, ROLLOFF)
        self.after = ResampleFrac(inner, outer, ZEROS, ROLLOFF)

    def forward(
        self,
        mixture: Tensor,
        lengths: Tensor | None = None,
        reference: Tensor | None = None,
        reference_lengths: Tensor | None = None,
    ) -> Outputs:
        """Run the network on resampled inputs; signals among its outputs are resampled back."""
        time = mixture.shape[-1]
        inputs = Inputs(
            self._in(mixture),
            self._scaled(lengths),
            None if reference is None else self._in(reference),
            self._scaled(reference_lengths),
        )
        found = passed(self.network, inputs)
        inner = None if found.inner is None else self._out(found.inner, time)
        return found._replace(estimates=self._out(found.estimates, time), inner=inner)

    def _in(self, signal: Tensor) -> Tensor:
        # Rounded up, since the last samples would be cut off on the way back.
        samples = -(-signal.shape[-1] * self.inner // self.outer)
        with torch.autocast(signal.device.type, enabled=False):
            return self.before(signal, output_length=samples)

    def _out(self, signal: Tensor, time: int) -> Tensor:
        with torch.autocast(signal.device.type, enabled=False):
            return self.after(signal.float(), output_length=time)

    def _scaled(self, lengths: Tensor | None) -> Tensor | None:
        return None if lengths is None else -(-lengths * self.inner // self.outer)


def resampling_look_ahead(outer: int, inner: int) -> float:
    """Seconds of audio after a sample on which both filters together depend."""
    width = ZEROS / (ROLLOFF * min(outer, inner))
    return sum(math.ceil(width * rate) / rate for rate in (outer, inner))
