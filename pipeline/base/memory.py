"""How this process asks for memory."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's mallopt."""


def keep_memory() -> None:
    """Let malloc keep large blocks, in this process and its forks.

    Else each large array is given back and asked for again, and its pages fault anew: half of a
    Conv-TasNet's CPU time, a sixth of STOI's.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
