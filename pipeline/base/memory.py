"""How this process allocates memory."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""A constant of glibc's mallopt."""


def keep_memory() -> None:
    """Let malloc keep large blocks, in this process and its forks.

    Otherwise each large array is returned to the system and allocated again, with new page faults:
    they take half of the CPU time of a Conv-TasNet, and a sixth of that of STOI.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
