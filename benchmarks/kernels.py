"""The compiled kernels of Conv-TasNet alone: each of their clones that this processor has.

    python benchmarks/kernels.py --threads 1

The clones take turns on 1024 frames of 512 channels; times are medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from conv_tasnet import Measure, in_turns

from pipeline.config import Machine
from pipeline.models.conv_tasnet import kernels
from pipeline.models.devices import describe, open_device

ROWS, WIDTH, TAPS = 1024, 512, 3


def main() -> None:
    """Measure and print a row for each clone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=200)
    options = parser.parse_args()
    device = open_device(Machine(device="cpu", threads=options.threads))
    print(f"{describe(device)}, {options.threads} thread(s), {ROWS} x {WIDTH}\n")
    print("| clone | activate, ms | convolve, ms |\n|---|---|---|")
    clones = [name for name in kernels.CLONES if kernels.use_clone(name)]
    found = in_turns(_measures(clones), options.turns)
    for clone in clones:
        times = (
            1e3 * statistics.median(found[f"{clone} {run}"]) for run in ("activate", "convolve")
        )
        print(f"| {clone} | " + " | ".join(f"{ms:.3f}" for ms in times) + " |")


def _measures(clones: list[str]) -> dict[str, Measure]:
    """Return measures of both kernels in each clone."""
    rows, context = torch.randn(ROWS, WIDTH), torch.randn(ROWS + TAPS - 1, WIDTH)
    taps, bias, out = torch.randn(TAPS, WIDTH), torch.randn(WIDTH), torch.empty(ROWS, WIDTH)
    runs: dict[str, Callable[[], object]] = {
        "activate": lambda: kernels.activate(rows, bias, 0.25),
        "convolve": lambda: kernels.convolve(context, taps, 1, bias, 0.25, out),
    }
    return {
        f"{clone} {name}": _in_clone(clone, run) for clone in clones for name, run in runs.items()
    }


def _in_clone(clone: str, run: Callable[[], object]) -> Measure:
    """Return a measure of a kernel in one clone."""

    def measure() -> float:
        kernels.use_clone(clone)
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    measure()
    return measure


if __name__ == "__main__":
    main()
