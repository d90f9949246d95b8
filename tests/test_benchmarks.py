"""The imports and the settings of the benchmarks; their figures are not tested."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.models.conv_tasnet import kernels

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CAPPED = """
import torch
from processors import bf16_is_used, cap, describe_instructions

cap("avx2")
print(describe_instructions(), bf16_is_used(torch.device("cpu")), torch._inductor.config.cpp.march)
"""


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_imports_of_a_benchmark_exist(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
            module = import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or find_spec(f"{node.module}.{alias.name}")


@pytest.mark.slow
def test_a_cap_reaches_kernels_torch_and_compiler_and_leaves_bf16_out(tmp_path):
    clone = kernels.clone_in_use()
    if not kernels.use_clone("avx2"):
        pytest.skip("this processor has no AVX2")
    kernels.use_clone(clone)
    script = tmp_path / "capped.py"
    script.write_text(CAPPED)
    environment = os.environ | {"PYTHONPATH": f"{BENCHMARKS}{os.pathsep}{BENCHMARKS.parent}"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    used, others = done.stdout.splitlines()
    assert used == (
        "Kernels: avx2; torch: AVX2; ATEN_CPU_CAPABILITY=avx2, ONEDNN_MAX_CPU_ISA=AVX2,"
        " MKL_ENABLE_INSTRUCTIONS=AVX2."
    )
    assert others == (
        "Not measured: x86-64 with AVX-512, x86-64 without AVX2, processors other than x86-64."
        " False x86-64-v3"
    )
