"""The device of the computation, and its threads."""

import logging
import os
import shutil
from importlib.util import find_spec

import torch
from torch import nn

from pipeline.base.errors import PipelineError
from pipeline.base.memory import keep_memory
from pipeline.base.provenance import cpu_name
from pipeline.config import Machine
from pipeline.config.models import Precision


def open_device(machine: Machine, devices: int = 1) -> torch.device:
    """Pick the device (`auto`, `cpu`, `cuda`), set the CPU threads, and keep freed memory.

    Raises:
        PipelineError: `cuda` is requested without a GPU, or there are fewer than `devices`.
    """
    torch.set_num_threads(machine.threads)
    keep_memory()
    name = machine.device
    if name == "cuda" and not torch.cuda.is_available():
        raise PipelineError(
            "machine.device: cuda is asked for and no GPU is seen; set it to auto or cpu"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and torch.cuda.device_count() < devices:
        raise PipelineError(
            f"training.devices: {devices} GPUs are asked for and {torch.cuda.device_count()} seen;"
            " lower it, or let the job see more"
        )
    return torch.device(name)


def compile_networks(
    machine: Machine,
    device: torch.device,
    *networks: nn.Module | None,
    dynamic: bool | None = None,
) -> None:
    """Compile networks with torch.compile if the configuration says so and it is possible.

    torch keeps compiled code on disk, for later processes too. With `dynamic` it is compiled for
    all lengths at once, and not again for the second length.
    """
    wanted = device.type == "cuda" if machine.compile == "auto" else machine.compile
    if not wanted:
        return
    if missing := _missing_of_compiler(device):
        logging.info("not compiled, since there is no %s: networks run as they are", missing)
        return
    torch._dynamo.config.suppress_errors = True  # parts that cannot be compiled run uncompiled
    for network in filter(None, networks):
        network.compile(dynamic=dynamic)


def _missing_of_compiler(device: torch.device) -> str | None:
    """The name of a tool that torch.compile needs and does not find here, or None."""
    if device.type == "cuda" and not find_spec("triton"):
        return "triton"
    compiler = os.environ.get("CXX", "c++" if shutil.which("c++") else "g++")
    return None if shutil.which(compiler) else "C++ compiler"


def supports_bf16(device: torch.device) -> bool:
    """Return whether the device has instructions for products in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "bf16"))  # x86, ARM


def precision_on(device: torch.device, precision: Precision) -> Precision:
    """Return `bf16` only where it is asked for and the device has instructions for it."""
    if precision == "bf16" and not supports_bf16(device):
        logging.info("%s has no bf16 instructions: running in fp32", describe(device))
        return "fp32"
    return precision


def describe(device: torch.device) -> str:
    """Return the name of the device for tables: that of the GPU, or that of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {cpu_name()}"
