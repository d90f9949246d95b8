"""RNNoise 0.2 (Valin 2018, arXiv:1709.08243), from the library of the package pyrnnoise."""

import ctypes
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Section
from pipeline.models.package import Package, library_file
from pipeline.models.published import packaged
from pipeline.models.published.frames import Samples, in_frames

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE = 48_000
FRAME = 480
DELAY = 2 * FRAME  # a window is two frames, and the gains are those of the frame before
FULL_SCALE = np.float32(32_768)  # its samples are floats on the scale of 16-bit integers
LIBRARY = "rnnoise"

PACKAGE = Package(
    name="pyrnnoise",
    version="0.4.5",
    files=(library_file(LIBRARY),),  # the weights are compiled into it
    licence="RNNoise: BSD-3-Clause; pyrnnoise: Apache-2.0",
    training_data="public recordings of speech, noise and rooms",
    parameters=2_884_769,
    multiply_adds=288e6,  # each weight is used once a frame
)


class Arguments(Section):
    """None."""


def denoised(samples: "Tensor") -> "Tensor":
    """Denoise a recording `[time]` at 48 kHz, with a state of its own."""
    import torch

    library = _library()
    state = library.rnnoise_create(None)

    def process(one: Samples, out: Samples) -> None:
        library.rnnoise_process_frame(state, out.ctypes.data, one.ctypes.data)

    try:
        found = in_frames(samples.numpy() * FULL_SCALE, FRAME, DELAY, process)
    finally:
        library.rnnoise_destroy(state)
    return torch.from_numpy(found / FULL_SCALE)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(PACKAGE.file(library_file(LIBRARY))))
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_process_frame.restype = ctypes.c_float
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p] * 3
    library.rnnoise_destroy.restype = None
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    return library


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, 1, time]`."""
    from pipeline.models.published.by_item import ByItem

    _library()  # missing ones are told of before anything runs
    return ByItem(denoised)


def look_ahead(arguments: Arguments, sample_rate: int) -> float:
    """The delay, and the frame that must be complete."""
    return (DELAY + FRAME - 1) / RATE


ENTRY = packaged(Arguments, build, look_ahead, RATE, PACKAGE)
