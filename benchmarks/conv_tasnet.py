"""Our Conv-TasNet against asteroid's: inference, training and engines, on one device, in turns.

    python benchmarks/conv_tasnet.py --threads 2
    python benchmarks/conv_tasnet.py --threads 2 --cap avx2

asteroid runs with default settings in a process of its own (eager, unchanged allocator), and beside
ours with the allocator settings of our jobs. All are measured in turns; ratios are within one turn.
The limit is the rate of products of large matrices, measured in the same turns. On a GPU, if there
is one, ours is compiled and in bf16; sources, lengths and batches are measured for ours only.

With `--cap avx2` our kernels, torch and its libraries use the instructions of processors without
AVX-512. bf16 is not measured there, nor where the workflow would use fp32 instead.
"""

import argparse
import copy
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from processors import CAPS, bf16_is_used, cap, describe_instructions

from pipeline.config import Machine
from pipeline.losses.loss import Loss
from pipeline.models import build
from pipeline.models.devices import describe, open_device
from pipeline.tasks import SEPARATE

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
RATE, SIDE = 8000, 2048
SIZES = {"published": {}, "demo": {"N": 128, "L": 40, "B": 64, "H": 128, "Sc": 64, "X": 6, "R": 2}}
LENGTHS = {"published": [1, 6, 30, 300], "demo": [1, 6, 30, 300, 3600]}  # s, in 23 GB of memory

Measure = Callable[[], float]


def main() -> None:
    """Measure and print a table for each question."""
    options = _options()
    if options.cap:
        cap(options.cap)
    device = open_device(Machine(threads=options.threads, device="cpu" if options.cap else "auto"))
    print(f"{describe(device)}, {options.threads} thread(s), torch {torch.__version__}")
    print(f"{describe_instructions()}\n")
    if device.type == "cpu":
        print("No GPU is used: ours compiled and in bf16 on one is not measured.\n")
    with default_settings(options.threads) as others:
        _inference(options, device, others)
        _training(options, device, others)
    _growth(device)


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a mixture in inference")
    parser.add_argument("--size", choices=SIZES, default="published")
    parser.add_argument("--cap", choices=CAPS, help="instructions of lesser processors")
    return parser.parse_args()


def asteroids(size: str, num_sources: int) -> torch.nn.Module:
    """Build asteroid's network of a size."""
    from asteroid.models import ConvTasNet

    return ConvTasNet(**network(size, num_sources).get_model_args())


def network(size: str, num_sources: int, **changes: Any) -> Any:
    """Build our network of a size."""
    return build("conv_tasnet", SIZES[size] | changes, num_sources, RATE)


class default_settings:
    """A process that runs asteroid with an unchanged allocator."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __enter__(self) -> Callable[..., float]:
        context = get_context("spawn")
        self.mine, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.threads), daemon=True)
        self.process.start()

        def measure(*task: Any) -> float:
            self.mine.send(task)
            return self.mine.recv()

        return measure

    def __exit__(self, *_: object) -> None:
        self.process.kill()


def _serve(pipe: Connection, threads: int) -> None:
    """Answer every request with the seconds that its task takes."""
    torch.set_num_threads(threads)
    ready: dict[Any, Measure] = {}
    while True:
        kind, size, sources, seconds, batch = task = pipe.recv()
        if task not in ready:
            make = {"inference": forward, "training": step}[kind]
            ready[task] = make(asteroids(size, sources), torch.device("cpu"), seconds, batch)
        pipe.send(ready[task]())


def forward(
    model: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
    seconds: float,
    batch: int = 1,
    lower: bool = False,
) -> Measure:
    """Return a measure of one pass without gradients, including the copy of the result."""
    if isinstance(model, torch.nn.Module):
        model = model.to(device).eval().requires_grad_(False)
    mixtures = 0.1 * torch.randn(batch, round(seconds * RATE))

    @torch.inference_mode()
    def measure() -> float:
        with torch.autocast(device.type, torch.bfloat16) if lower else nullcontext():
            began = time.perf_counter()
            model(mixtures.to(device)).float().cpu()
            return time.perf_counter() - began

    measure()
    return measure


def step(
    model: Any, device: torch.device, seconds: float, batch: int, lower: bool = False
) -> Measure:
    """Return a measure of a training step: forward, loss, backward, clipping and Adam."""
    model = model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters())
    loss = Loss(SEPARATE.loss, SEPARATE.permuted, RATE)
    time_samples = round(seconds * RATE)
    mixtures = 0.1 * torch.randn(batch, time_samples, device=device)
    targets = 0.1 * torch.randn(batch, 3, time_samples, device=device)

    def measure() -> float:
        began = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16) if lower else nullcontext():
            estimates = model(mixtures)
        loss(estimates.float(), targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    measure()
    return measure


def products(device: torch.device) -> Measure:
    """Return a measure of a matrix product, which is 2 x SIDE^3 operations."""
    one, other = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))

    def measure() -> float:
        began = time.perf_counter()
        torch.mm(one, other)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    measure()
    return measure


def in_turns(measures: dict[str, Measure], turns: int) -> dict[str, list[float]]:
    """Return the seconds of each measure in every turn."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(turns):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def operations(size: str, num_sources: int, seconds: float) -> float:
    """Return the floating-point operations of a forward pass, two per multiply-add."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        network(size, num_sources)(torch.randn(1, round(seconds * RATE)))
    return counter.get_total_flops()


def _inference(
    options: argparse.Namespace, device: torch.device, others: Callable[..., float]
) -> None:
    """Measure one source and one mixture at a time, as for the denoiser."""
    ours, size, seconds = network(options.size, 1), options.size, options.seconds
    gpu = device.type == "cuda"
    measures = {"ours": forward(ours, device, seconds)}
    if bf16_is_used(device):
        # A copy, since a frozen network keeps its weights arranged for one precision.
        measures["ours, bf16"] = forward(copy.deepcopy(ours), device, seconds, lower=True)
    else:
        print("bf16 is not measured: the workflow uses fp32 on such a processor.\n")
    measures["asteroid, our allocator"] = forward(asteroids(size, 1), device, seconds)
    if gpu:
        graph = torch.compile(ours, mode="reduce-overhead")
        measures["ours, bf16, compiled"] = forward(graph, device, seconds, lower=True)
    else:
        measures["asteroid, default settings"] = lambda: others("inference", size, 1, seconds, 1)
        measures["ours, compiled"] = forward(torch.compile(network(size, 1)), device, seconds)
    measures["products"] = products(device)
    found = in_turns(measures, options.turns)
    work = operations(options.size, 1, seconds) / 1e9
    print(f"### Inference: {options.size}, one mixture of {seconds:g} s, {work:.1f} GFLOP\n")
    _table(found, "ours", work)


def _training(
    options: argparse.Namespace, device: torch.device, others: Callable[..., float]
) -> None:
    """Measure three sources with the batches of asteroid's recipe, shorter on a CPU."""
    gpu, size = device.type == "cuda", options.size
    seconds, batch = (3.0, 12) if gpu else (3.0, 2)
    measures = {"ours": step(network(size, 3), device, seconds, batch)}
    measures["asteroid, our allocator"] = step(asteroids(size, 3), device, seconds, batch)
    if gpu:
        graph = torch.compile(network(size, 3))
        measures["ours, bf16, compiled"] = step(graph, device, seconds, batch, lower=True)
    else:
        measures["asteroid, default settings"] = lambda: others("training", size, 3, seconds, batch)
    measures["products"] = products(device)
    found = in_turns(measures, options.turns)
    work = 3 * batch * operations(options.size, 3, seconds) / 1e9
    print(f"### Training step: {size}, 3 sources, {batch} mixtures of {seconds:g} s\n")
    _table(found, "ours", work)


def _table(found: dict[str, list[float]], ours: str, work: float) -> None:
    """Print medians, ratios to ours with their range, and the share of the products' rate."""
    rates = [2 * SIDE**3 / 1e9 / seconds for seconds in found.pop("products")]
    print("| | ms, median | times ours (range) | share of the products' rate |")
    print("|---|---|---|---|")
    for name, times in found.items():
        ratios = [other / own for other, own in zip(times, found[ours], strict=True)]
        shares = [work / s / rate for s, rate in zip(times, rates, strict=True)]
        print(
            f"| {name} | {1e3 * statistics.median(times):.1f} | {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f} to {max(ratios):.2f}) | {100 * statistics.median(shares):.0f} % |"
        )
    print(f"\nProducts of {SIDE} x {SIDE}: {statistics.median(rates):.0f} GFLOP/s.\n")


def _growth(device: torch.device) -> None:
    """Print how the cost of ours grows with length, batch and number of sources."""
    for size in SIZES:
        print(f"### How cost grows: {size}\n\n| | ms a second of sound |\n|---|---|")
        for seconds in LENGTHS[size]:
            _grown(f"{seconds} s", forward(network(size, 1), device, seconds), seconds)
        for batch in (2, 4, 8):
            _grown(
                f"batch of {batch} x 6 s", forward(network(size, 1), device, 6, batch), 6 * batch
            )
        for sources in (2, 3, 4, 5):
            _grown(f"{sources} sources, 6 s", forward(network(size, sources), device, 6), 6)
        print()


def _grown(name: str, measure: Measure, seconds: float) -> None:
    print(f"| {name} | {1e3 * statistics.median(measure() for _ in range(3)) / seconds:.2f} |")


if __name__ == "__main__":
    main()
