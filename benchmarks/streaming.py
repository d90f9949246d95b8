"""Speed of causal networks in streaming, on one thread.

    python benchmarks/streaming.py

Two causal networks are measured, with random weights, on which the speed does not depend: the
published Conv-TasNet and the separator of `config.yaml`. White noise is pushed in chunks of several
lengths, all in turns, `--passes` times. The time of a chunk is that of `push`, as wall time and as
processor time, which excludes other programs on the core. The real-time factor (RTF) is the mean
time of a chunk over its length. The latency is the algorithmic one, from a sample until the push
that returns its estimate, without the time to compute. The difference is the largest one to a pass
over the whole signal, relative to the largest estimate.
"""

import argparse
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml

from pipeline.config import Machine, load_config
from pipeline.models import build
from pipeline.models.conv_tasnet.network import ConvTasNet
from pipeline.models.conv_tasnet.streaming import Stream
from pipeline.models.devices import describe, open_device

ROOT = Path(__file__).parents[1]
CHUNKS = [4, 8, 16, 32, 64]


class Pass(NamedTuple):
    """One pass: milliseconds of each chunk, and the largest relative difference."""

    times: list[tuple[float, float]]  # wall time, and processor time
    difference: float


def main() -> None:
    """Measure, then print a line for each network and chunk."""
    options = _options()
    device = open_device(Machine(device="cpu", threads=1))
    torch.manual_seed(0)
    config = load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    small = config.separators["conv_tasnet"].arguments
    networks = {name: _network(a, options) for name, a in [("published", {}), ("small", small)]}
    signal = 0.1 * torch.randn(int(options.seconds * options.sample_rate))
    found: dict[tuple[str, int], list[Pass]] = {c: [] for c in product(networks, options.chunks)}
    for _ in range(options.passes):
        for name, milliseconds in found:
            found[name, milliseconds].append(_push(networks[name], signal, milliseconds))
    print(f"{options.passes} passes of {options.seconds:g} s, {describe(device)}, 1 thread")
    for name, network in networks.items():
        print(f"{name}: {network.arguments}, {network.num_sources} sources")
    print(f"{'by the clock, ms':>48}{'of the processor, ms':>35}")
    print("network    chunk  latency" + "     p50     p95     p99    RTF" * 2 + "  difference")
    for (name, milliseconds), passes in found.items():
        _report(networks[name], name, milliseconds, passes)


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", nargs="+", type=int, default=CHUNKS, help="milliseconds")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the signal")
    parser.add_argument("--sample-rate", type=int, default=8000)
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--passes", type=int, default=5)
    return parser.parse_args()


def _network(arguments: dict[str, object], options: argparse.Namespace) -> ConvTasNet:
    causal = arguments | {"causal": True, "norm": "cLN"}
    return build("conv_tasnet", causal, options.sources, options.sample_rate)


@torch.inference_mode()
def _push(network: ConvTasNet, signal: torch.Tensor, milliseconds: int) -> Pass:
    """Time every chunk; the first ones, which warm caches up, too."""
    stream, times, estimates = Stream(network), [], []
    for chunk in signal.split(network.sample_rate * milliseconds // 1000):
        began = time.perf_counter(), time.thread_time()
        estimates.append(stream.push(chunk))
        ended = time.perf_counter(), time.thread_time()
        times.append((1000 * (ended[0] - began[0]), 1000 * (ended[1] - began[1])))
    whole = network(signal[None])[0]
    difference = torch.cat([*estimates, stream.finish()], 1) - whole
    return Pass(times, (difference.abs().max() / whole.abs().max()).item())


def _report(network: ConvTasNet, name: str, milliseconds: int, passes: list[Pass]) -> None:
    """Print a line, times in ms."""
    times = np.array([t for one in passes for t in one.times])
    latency = 1000 * Stream(network).latency(network.sample_rate * milliseconds // 1000)
    line = f"{name:10}{milliseconds:3} ms{latency:6.1f} ms"
    for clock in times.T:
        p50, p95, p99 = np.percentile(clock, [50, 95, 99])
        line += f"{p50:8.2f}{p95:8.2f}{p99:8.2f}{clock.mean() / milliseconds:7.3f}"
    print(f"{line}{max(one.difference for one in passes):12.0e}")


if __name__ == "__main__":
    main()
