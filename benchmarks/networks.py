"""What each network that learns costs on a CPU: size, multiply-adds, inference and training.

    python benchmarks/networks.py --threads 1
    python benchmarks/networks.py --threads 1 --cap avx2

For three sources at 8 kHz with default arguments (TIGER in both forms). asteroid's networks are
measured in turns as they are and as we run them; the ratio is the median of the turns. Seconds are
for a second of audio, medians.
"""

import argparse
import logging
import statistics
import warnings
from typing import Any

import torch
from conv_tasnet import RATE, Measure, asteroids, forward, in_turns, step
from processors import CAPS, cap, describe_instructions

from pipeline.config import Machine
from pipeline.models import MODELS, build
from pipeline.models.asteroid import DPRNNTasNet, DPTNet, SuDORMRFImprovedNet
from pipeline.models.chain import CHAIN
from pipeline.models.cost import multiply_adds
from pipeline.models.devices import describe, open_device
from pipeline.tasks import SEPARATE

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
SOURCES, SECONDS, BATCH = 3, 3.0, 2
AS_PUBLISHED = {
    **{"window_ms": 40, "hop_ms": 10, "features": 128, "hidden": 256, "blocks": 4},
    **{"bands": [[1000, 25], [2000, 100], [4000, 250]], "shared": True, "path": "attention"},
}
OTHERS = {"dprnn": DPRNNTasNet, "dptnet": DPTNet, "sudormrf": SuDORMRFImprovedNet}


def main() -> None:
    """Measure, and print a row for each network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(MODELS), help="names of networks")
    parser.add_argument("--cap", choices=CAPS, help="instructions of lesser processors")
    options = parser.parse_args()
    if options.cap:
        cap(options.cap)
    device = open_device(Machine(threads=options.threads, device="cpu"))
    print(f"{describe(device)}, {options.threads} thread(s), torch {torch.__version__}")
    print(f"{describe_instructions()}\n")
    print(
        "| network | M parameters | M multiply-adds | ms, inference | ms, training step |", end=""
    )
    print(" asteroid's time, inference | training step |\n|---|---|---|---|---|---|---|")
    for name, arguments in networks(options.only):
        print(_row(name, arguments, options.turns), flush=True)


def networks(only: list[str] | None) -> list[tuple[str, dict[str, Any]]]:
    """Every network that can be trained to separate, and its arguments."""
    names = [n for n, e in MODELS.items() if e.trained and SEPARATE.name in e.tasks and n != CHAIN]
    listed = [(name, dict[str, Any]()) for name in names] + [("tiger", AS_PUBLISHED)]
    return [(name, given) for name, given in listed if not only or name in only]


def _row(name: str, arguments: dict[str, Any], turns: int) -> str:
    network = build(name, arguments, SOURCES, RATE)
    parameters = sum(p.numel() for p in network.parameters())
    work = multiply_adds(name, arguments, SOURCES, RATE)
    cells = [name + (", as published" if arguments else ""), f"{parameters / 1e6:.2f}"]
    times, ratios = zip(*(_measured(name, network, kind, turns) for kind in KINDS), strict=True)
    return f"| {' | '.join([*cells, f'{work / 1e6:.0f}', *times, *ratios])} |"


def _inference(network: torch.nn.Module) -> Measure:
    return forward(network, torch.device("cpu"), SECONDS, BATCH)


def _training(network: torch.nn.Module) -> Measure:
    return step(network, torch.device("cpu"), SECONDS, BATCH)


KINDS = (_inference, _training)


def _measured(name: str, network: torch.nn.Module, kind: Any, turns: int) -> tuple[str, str]:
    """Milliseconds for a second of audio, and how often asteroid's network takes this time."""
    network.requires_grad_(True)  # a measure of inference freezes it
    measures = {"ours": kind(network)}
    if name in OTHERS:
        measures["other"] = kind(OTHERS[name](SOURCES, sample_rate=RATE))
    if name == "conv_tasnet":
        measures["other"] = kind(asteroids("published", SOURCES))
    found = in_turns(measures, turns)
    own = 1000 * statistics.median(found["ours"]) / (SECONDS * BATCH)
    if "other" not in found:
        return f"{own:.1f}", "–"
    ratios = [other / ours for ours, other in zip(found["ours"], found["other"], strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{own:.1f}", f"{statistics.median(ratios):.2f} ({spread})"


if __name__ == "__main__":
    main()
