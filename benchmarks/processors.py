"""Measure a class of processors on a better one, with every library limited in the same way."""

import os
import platform
import sys

import torch
import torch._inductor.config as compiler

from pipeline.models.conv_tasnet import kernels
from pipeline.models.devices import supports_bf16

CLASSES = {
    "avx512": "x86-64 with AVX-512",
    "avx2": "x86-64 with AVX2 only",
    "default": "x86-64 without AVX2",
    "other": "processors other than x86-64",
}
CAPS = {
    "avx2": {
        kernels.VARIABLE: "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
}
"""Variables that limit our kernels, torch, oneDNN and MKL, by class."""
COMPILED_FOR = {"avx2": "x86-64-v3"}
"""Instructions that torch.compile allows the compiler, by class."""


def cap(name: str) -> None:
    """Limit this program; it restarts if needed, because libraries read the limit only once."""
    if any(os.environ.get(variable) != value for variable, value in CAPS[name].items()):
        os.environ |= CAPS[name]
        os.execv(sys.executable, sys.orig_argv)
    compiler.cpp.march = COMPILED_FOR[name]


def bf16_is_used(device: torch.device) -> bool:
    """Return whether the workflow would use bf16 on the measured class; no lower class has it."""
    return supports_bf16(device) and "ONEDNN_MAX_CPU_ISA" not in os.environ


def describe_instructions() -> str:
    """Return the instruction sets in use, and the classes of processors that are not measured."""
    clone = kernels.clone_in_use()
    used = clone if platform.machine() in ("x86_64", "AMD64") else "other"
    others = [words for name, words in CLASSES.items() if name != used]
    caps = [f"{name}={os.environ.get(name, 'unset')}" for name in list(CAPS["avx2"])[1:]]
    return (
        f"Kernels: {clone or 'not compiled'}; torch: {torch.backends.cpu.get_cpu_capability()};"
        f" {', '.join(caps)}.\nNot measured: {', '.join(others)}."
    )
