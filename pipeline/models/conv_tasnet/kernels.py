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
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.base.errors import PipelineError

VERSION = 4
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


def compiled_for(rows: Tensor) -> bool:
    """Return whether the compiled functions can be used for a tensor like this one."""
    return _native(rows) is not None


def convolve_back(
    gradient: Tensor,
    activated: Tensor,
    context: Tensor,
    dilation: int,
    norm: tuple[float, float],
    slope: float,
    out: Tensor,
) -> tuple[float, Tensor]:
    """Go back through a norm and the PReLU of `convolve`; compiled only.

    With shift and scale of the norm, g = gradient + shift + scale · activated is multiplied by 1
    where `activated` is above 0, and by the slope elsewhere.

    Args:
        gradient: `[rows, channels]`, of the norm's output, multiplied by the norm's gain.
        activated: `[rows, channels]`, the result of `convolve`.
        context: its input, `[rows + (P - 1) * dilation, channels]`.
        dilation: rows between two taps.
        norm: shift and scale.
        slope: of the PReLU, above 0.
        out: `[rows, channels]`, the gradient before the PReLU, is overwritten.

    Returns:
        The gradient of the slope, and `[1 + P, channels]`: the sum of `out`, and for each tap that
        of its products with the rows of the tap.
    """
    (rows, width), number = out.shape, 1 + (len(context) - len(out)) // max(dilation, 1)
    given = gradient.data_ptr(), activated.data_ptr(), context.data_ptr()
    sizes = rows, width, number, dilation
    channels = out.new_empty(1 + number, width)
    return _back(_compiled().convolve_back, (*given, *sizes, *norm), slope, out, channels)


def activate_back(
    context: Tensor,
    activated: Tensor,
    taps: Tensor,
    dilation: int,
    norm: tuple[float, float],
    slope: float,
    out: Tensor,
) -> tuple[float, Tensor]:
    """Go back through a convolution, a norm and the PReLU of `activate`; compiled only.

    Args:
        context: the gradient before the convolution, `[rows + (P - 1) * dilation, channels]`.
        activated: `[rows, channels]`, the result of `activate`.
        taps: `[P, channels]`, multiplied by the norm's gain, the last one first.
        dilation: rows between two taps.
        norm: its shift and scale, as in `convolve_back`.
        slope: of the PReLU, above 0.
        out: `[rows, channels]`, the gradient before the bias, is overwritten.

    Returns:
        The gradient of the slope, and that of the bias, `[channels]`.
    """
    given = context.data_ptr(), activated.data_ptr(), *out.shape, taps.data_ptr(), len(taps)
    channels = out.new_empty(out.shape[1])
    return _back(_compiled().activate_back, (*given, dilation, *norm), slope, out, channels)


def _back(
    function: Callable[..., int],
    given: tuple[float, ...],
    slope: float,
    out: Tensor,
    channels: Tensor,
) -> tuple[float, Tensor]:
    """Call a compiled function; the gradient of the slope, and the sums in `channels`."""
    of_slope = ctypes.c_double()
    found = out.data_ptr(), ctypes.byref(of_slope), channels.data_ptr()
    if not function(*given, slope, *found):
        raise MemoryError
    return of_slope.value / slope, channels


def _compiled() -> ctypes.CDLL:
    library = _library()
    assert library is not None  # `compiled_for` is asked first
    return library


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
    library.convolve_back.argtypes = [
        *(pointer, pointer, pointer, whole, whole, whole, whole),
        *(real, real, real, pointer, pointer, pointer),
    ]
    library.activate_back.argtypes = [
        *(pointer, pointer, whole, whole, pointer, whole, whole),
        *(real, real, real, pointer, pointer, pointer),
    ]
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
