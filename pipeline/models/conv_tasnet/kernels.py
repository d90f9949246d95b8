"""The operations between the matrix products of a tile: by `_kernels.c` in one pass, or by torch.

The C code is compiled when the package is installed. Without it, with another version of it, or for
signals that are not float32, torch does the same more slowly.

Each function is compiled once for each of `CLONES`, and the first of these that the processor
supports is used. The environment variable `CONV_TASNET_KERNELS` selects another one, so that a
class of processors can be tested and measured on a better one.
"""

import ctypes
import logging
import os
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.base.errors import PipelineError

VERSION = 3
"""Version of the compiled functions and their arguments, equal to that in `_kernels.c`."""
CLONES = ("avx512", "avx2", "default")
"""Instruction sets for which the functions are compiled, best first; `default` runs anywhere."""
VARIABLE = "CONV_TASNET_KERNELS"


class Sums(NamedTuple):
    """Sum of values, and sum of their squares."""

    first: float = 0.0
    second: float = 0.0

    def plus(self, other: "Sums") -> "Sums":
        """Add two pairs of sums."""
        return Sums(self.first + other.first, self.second + other.second)


def sums_of(values: Tensor) -> Sums:
    """Return the sums of a contiguous tensor; single precision is enough for parts of it."""
    parts = values.view(-1).split(2**18)
    return Sums(
        sum(part.sum().item() for part in parts),
        sum(torch.dot(part, part).item() for part in parts),
    )


def activate(rows: Tensor, bias: Tensor, slope: float) -> Sums:
    """Add the bias `[channels]` to `[rows, channels]` and apply PReLU in place; return the sums."""
    if (native := _native(rows)) is None:
        return sums_of(F.leaky_relu_(rows.add_(bias), slope))
    sums = (ctypes.c_double * 2)()
    native.activate(rows.data_ptr(), *rows.shape, bias.data_ptr(), slope, sums)
    return Sums(*sums)


def convolve(
    context: Tensor, taps: Tensor, dilation: int, constant: Tensor, slope: float, out: Tensor
) -> Sums:
    """Apply a depthwise convolution and PReLU, and return the sums of the result.

    Args:
        context: `[rows + (P - 1) * dilation, channels]`.
        taps: `[P, channels]`.
        dilation: rows between two taps.
        constant: the term to add, `[channels]`.
        slope: of the PReLU.
        out: `[rows, channels]`, is overwritten.
    """
    if (native := _native(out)) is None:
        out.copy_(constant)
        for k, tap in enumerate(taps):
            out.addcmul_(context[k * dilation : k * dilation + len(out)], tap)
        return sums_of(F.leaky_relu_(out, slope))
    sums = (ctypes.c_double * 2)()
    native.convolve(
        context.data_ptr(),
        *out.shape,
        taps.data_ptr(),
        len(taps),
        dilation,
        constant.data_ptr(),
        slope,
        out.data_ptr(),
        sums,
    )
    return Sums(*sums)


def _native(rows: Tensor) -> ctypes.CDLL | None:
    return _library() if rows.dtype == torch.float32 and rows.is_cpu else None


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled functions; None if there are none."""
    found = find_spec("pipeline.models.conv_tasnet._kernels")
    if found is None or found.origin is None:
        logging.info(
            "pipeline is not installed with its compiled part: networks run slower on CPUs"
        )
        return None
    library = ctypes.CDLL(found.origin)
    if not hasattr(library, "version") or library.version() != VERSION:
        logging.info("pipeline was compiled from other code: install it again, networks run slower")
        return None
    library.chosen.restype = ctypes.c_char_p
    _choose_clone(library)
    pointer, whole, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
    library.activate.argtypes = [pointer, whole, whole, pointer, real, pointer]
    library.convolve.argtypes = [
        *(pointer, whole, whole, pointer, whole, whole),
        *(pointer, real, pointer, pointer),
    ]
    library.activate.restype = library.convolve.restype = None
    return library


def clone_in_use() -> str | None:
    """Return the name of the clone that this process uses; None if torch does the work."""
    library = _library()
    return library.chosen().decode() if library else None


def use_clone(name: str) -> bool:
    """Use a clone from now on. Returns False, without a change, if it does not run here."""
    library = _library()
    return library is not None and bool(library.choose(os.fsencode(name)))


def _choose_clone(library: ctypes.CDLL) -> None:
    """Select the best clone, or the one that `VARIABLE` names.

    Raises:
        PipelineError: the named clone does not exist, or does not run on this processor.
    """
    wanted = os.environ.get(VARIABLE)
    here = [name for name in reversed(CLONES) if library.choose(name.encode())]  # the best one last
    if wanted and not library.choose(os.fsencode(wanted)):
        raise PipelineError(
            f"{VARIABLE}: {wanted} is asked for and this processor has {', '.join(here)};"
            " set it to one of these, or unset it"
        )
