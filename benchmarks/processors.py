"""Measuring a class of processors on a better one, with every library capped alike."""

import os
import sys

import torch

from pipeline.models.conv_tasnet import kernels

CAPS = {
    "avx2": {
        kernels.VARIABLE: "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
}
"""What caps our kernels, torch, oneDNN and MKL at a class of processors."""
COMPILERS = {"avx2": "x86-64-v3"}
"""What the code of torch.compile is compiled for, by class."""


def cap(name: str) -> None:
    """Run this program again, capped, unless it is already: the libraries read the cap at start."""
    if any(os.environ.get(variable) != value for variable, value in CAPS[name].items()):
        os.environ |= CAPS[name]
        os.execv(sys.executable, sys.orig_argv)
    import torch._inductor.config as compiler

    compiler.cpp.march = COMPILERS[name]


def describe_instructions() -> str:
    """The instruction sets that are in use, and the classes of processors that are not measured."""
    used = kernels.clone_in_use()
    others = [f"processors with {name}" for name in kernels.CLONES if name not in (used, "default")]
    caps = [f"{variable}={os.environ.get(variable, '(not set)')}" for variable in CAPS["avx2"]]
    return (
        f"Kernels: {used or 'not compiled'}; torch: {torch.backends.cpu.get_cpu_capability()}; "
        f"{', '.join(caps)}.\nNot measured: {', '.join(others)}, x86-64 without AVX2, ARM."
    )
