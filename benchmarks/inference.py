"""Throughput of inference, and the effect of its threads on the latency of one mixture.

    python benchmarks/inference.py --device cuda --batch-size 16 --network published

Noise recordings of many lengths are separated in several ways in turns, `--passes` times: one
at a time, as for the latency; one at a time while a thread reads the next file; with both
threads; with both threads in batches; and one at a time in bf16. The figures are medians, and
ratios are to the first way in the same pass. Files are read from and written to a temporary folder.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml

from pipeline import audio
from pipeline.config import Inference, Machine
from pipeline.inference.ahead import ahead
from pipeline.inference.apply import Setting, batches
from pipeline.inference.chunks import Piece, Recording
from pipeline.inference.estimator import Estimator
from pipeline.inference.loop import Loop, Passed
from pipeline.models import build
from pipeline.models.devices import describe, open_device

ROOT = Path(__file__).parents[1]
RATE, SOURCES = 8000, 3
SECONDS = (2.0, 12.0)  # length of a mixture


class Figures(NamedTuple):
    """Results of a pass: median and 95th percentile in ms per batch, throughput, device's share."""

    p50: float
    p95: float
    throughput: float
    busy: float


class ReadingAhead(Loop):
    """A loop with one thread that reads while the device computes, unlike for the latency."""

    def run(self, batches: list[list[Piece]], title: str) -> list[Passed]:
        """Run the loop without a progress bar."""
        started = map(self._start, ahead(self._read, batches))
        with self._writer:
            return list(map(self._finish, started))


def main() -> None:
    """Measure, then print a line for each way."""
    options = _options()
    device = open_device(Machine(device=options.device, threads=options.threads))
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    small = config["separators"]["conv_tasnet"]["arguments"]
    arguments = small if options.network == "small" else {}
    network = build("conv_tasnet", arguments, SOURCES, RATE).eval()
    with tempfile.TemporaryDirectory() as folder:
        ways = _ways(options, network, device, _recordings(Path(folder), options.mixtures))
        for measure in ways.values():  # warm-up
            measure()
        passes = [
            {name: measure() for name, measure in ways.items()} for _ in range(options.passes)
        ]
    print(f"{options.network} Conv-TasNet on {describe(device)}, {options.threads} thread(s),")
    print(f"{options.mixtures} mixtures, {options.passes} passes in turns, medians")
    for name in ways:
        _report(name, [each[name] for each in passes], [each["alone"] for each in passes])


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", default="small", choices=["small", "published"])
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--mixtures", type=int, default=40)
    parser.add_argument("--passes", type=int, default=7)
    return parser.parse_args()


def _recordings(folder: Path, count: int) -> list[Recording]:
    """Write files of noise; return them with the paths of their estimates."""
    random, found = np.random.default_rng(0), []
    for number in range(count):
        samples = int(RATE * random.uniform(*SECONDS))
        noise = random.uniform(-0.1, 0.1, samples).astype(np.float32)
        audio.write(folder / f"{number}.wav", noise, RATE)
        targets = tuple(folder / f"s{k}/{number}.wav" for k in range(SOURCES))
        found.append(Recording(str(number), str(folder / f"{number}.wav"), samples, targets))
    return found


def _ways(
    options: argparse.Namespace,
    network: torch.nn.Module,
    device: torch.device,
    recordings: list[Recording],
) -> dict[str, Callable[[], Figures]]:
    """Return the ways to compare, by name."""
    exact, lower = (
        Estimator(network, device, precision, exact_padding=True) for precision in ("fp32", "bf16")
    )

    def way(kind: type[Loop], estimator: Estimator, alone: bool, size: int = 1) -> Callable:
        setting = Setting(RATE, Machine(), Inference(batch_size=size), timed=size == 1)
        groups = batches(recordings, setting, estimator)
        seconds = sum(recording.samples for recording in recordings) / RATE
        return lambda: _measure(kind(estimator, RATE, alone), groups, seconds)

    return {
        "alone": way(Loop, exact, True),
        "reading ahead": way(ReadingAhead, exact, True),
        "both threads": way(Loop, exact, False),
        f"batches of {options.batch_size}": way(Loop, exact, False, options.batch_size),
        f"alone, {lower.precision}": way(Loop, lower, True),
    }


def _measure(loop: Loop, groups: list[list[Piece]], seconds: float) -> Figures:
    """Measure one pass over all mixtures."""
    began = time.perf_counter()
    passed = loop.run(groups, "pass")
    wall = time.perf_counter() - began
    times = [1000 * one.busy for one in passed]
    return Figures(*np.percentile(times, (50, 95)), seconds / wall, sum(times) / 1000 / wall)


def _report(name: str, found: list[Figures], alone: list[Figures]) -> None:
    """Print the medians of a way."""
    p50, p95, throughput, busy = (statistics.median(values) for values in zip(*found, strict=True))
    ratios = [
        statistics.median(a[place] / b[place] for a, b in zip(found, alone, strict=True))
        for place in range(3)
    ]
    print(
        f"{name:16} p50 {p50:8.1f} ms (x{ratios[0]:.2f}), p95 {p95:8.1f} ms (x{ratios[1]:.2f}),"
        f" {throughput:7.1f} audio hours an hour (x{ratios[2]:.2f}), device busy {100 * busy:.1f}%"
    )


if __name__ == "__main__":
    main()
