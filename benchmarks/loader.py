"""Speed of reading and drawing training items, and of the training steps that consume them.

    python benchmarks/loader.py results/corpora --workers 0

The folder holds `speech.csv` and `noise.csv` at the rate of `config.yaml`. Fresh mixtures are
drawn from its train split, with voices at the speeds of `training.speech_speed` and at their own
speed; rendered ones are made from it in a temporary folder and read back from the page cache. The
steps train the separator of `config.yaml` and the published Conv-TasNet. All are measured in turns,
`--passes` times; the figures are medians. The published network takes 12 GB at the default batch
size; `--networks small` leaves it out.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import torch
import yaml
from torch.utils.data import DataLoader

from pipeline.config import Config, Machine, Training, load_config
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard
from pipeline.models import build
from pipeline.models.devices import describe, open_device
from pipeline.tasks import SEPARATE
from pipeline.training.data import EpochSampler, Segments, examples
from pipeline.training.dynamic import FreshMixtures, FreshSampler, fresh_mixtures
from pipeline.training.module import Trainee

ROOT = Path(__file__).parents[1]
NETWORKS = ["small", "published"]

Batch = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    """Measure all loaders and steps, then print a line for each."""
    options = _options()
    logging.disable(logging.WARNING)
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["mixtures"]["counts"]["train"] = options.items
    config = load_config(values | {"training": {"segment_seconds": options.seconds}})
    device = open_device(Machine(threads=options.threads))
    with tempfile.TemporaryDirectory() as folder:
        loaders = _loaders(options, config, Path(folder))
        batch = next(iter(loaders["dynamic"]))
        measures = {f"{name} data": _reading(loader) for name, loader in loaders.items()}
        arguments = {"small": config.separators["conv_tasnet"].arguments, "published": {}}
        for name in options.networks:
            measures[f"{name} step"] = _stepping(arguments[name], config, batch, device)
        rates = {name: [] for name in measures}
        for _ in range(options.passes):
            for name, measure in measures.items():
                rates[name].append(measure())
    _report(options, {name: statistics.median(r) for name, r in rates.items()}, describe(device))


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path, help="folder of speech.csv and noise.csv")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of an item")
    parser.add_argument("--workers", type=int, default=0, help="processes that read")
    parser.add_argument("--threads", type=int, default=1, help="of the training step")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--items", type=int, default=400, help="mixtures of a pass")
    parser.add_argument("--passes", type=int, default=5)
    return parser.parse_args()


def _loaders(
    options: argparse.Namespace, config: Config, folder: Path
) -> dict[str, DataLoader[Batch]]:
    """Return loaders of the rendered train split, made in `folder`, and of fresh mixtures."""
    corpora = options.corpora / "speech.csv", options.corpora / "noise.csv"
    rate, mixtures = config.sample_rate, config.mixtures
    draw_plan(*corpora, [folder / "plan.csv"], "train", mixtures, config.seed, rate)
    render_shard(folder / "plan.csv", folder / "set", rate, mixtures)
    rendered = Segments(
        examples(SEPARATE, folder / "set/index.csv", "noisy", None, rate), options.seconds
    )
    drawn = fresh_mixtures(SEPARATE, *corpora, mixtures, "noisy", None, rate)
    as_spoken = config.training.model_copy(update={"speech_speed": (1, 1)})
    fresh, plain = (FreshMixtures(drawn, t, config.seed) for t in (config.training, as_spoken))
    how = {"batch_size": options.batch_size, "num_workers": options.workers}
    how |= {"persistent_workers": options.workers > 0}
    return {
        "rendered": DataLoader(rendered, sampler=EpochSampler(len(rendered), 0), **how),
        "dynamic": DataLoader(fresh, sampler=FreshSampler(len(fresh), 0), **how),
        "at speed 1": DataLoader(plain, sampler=FreshSampler(len(plain), 0), **how),
    }


def _reading(loader: DataLoader[Batch]) -> Callable[[], float]:
    """Return a measure of mixtures per second of a new epoch, with running workers."""
    epochs = count()
    for _ in loader:
        pass

    def measure() -> float:
        loader.sampler.set_epoch(next(epochs))
        began = time.perf_counter()
        items = sum(len(inputs) for inputs, _ in loader)
        return items / (time.perf_counter() - began)

    return measure


def _stepping(
    arguments: dict[str, object], config: Config, batch: Batch, device: torch.device
) -> Callable[[], float]:
    """Return a measure of mixtures per second of training steps: forward to Adam."""
    network = build("conv_tasnet", arguments, config.mixtures.num_speakers, config.sample_rate)
    trainee = Trainee(network.to(device), "si_sdr", Training())
    trainee.log = lambda *_, **__: None
    optimizer = trainee.configure_optimizers()
    batch = tuple(signals.to(device) for signals in batch)

    def step() -> None:
        optimizer.zero_grad()
        trainee.training_step(batch, 0).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    def measure() -> float:
        began = time.perf_counter()
        step()
        return len(batch[0]) / (time.perf_counter() - began)

    step()  # warm-up
    return measure


def _report(options: argparse.Namespace, rates: dict[str, float], device: str) -> None:
    """Print the mixtures per second of each measure."""
    cores = max(options.workers, 1)
    print(f"items of {options.seconds:g} s, {options.passes} passes in turns, medians")
    for name in ("rendered data", "dynamic data", "at speed 1 data"):
        each = rates[name] / cores
        print(f"{name:15}{rates[name]:8.1f} mixtures/s, {each:.1f} a core on {cores} core(s)")
    for name in (f"{network} step" for network in options.networks):
        times = rates["dynamic data"] / cores / rates[name]
        print(
            f"{name:15}{rates[name]:8.2f} mixtures/s on {device}, {options.threads} thread(s),"
            f" batch {options.batch_size}: one core of fresh mixtures feeds {times:.0f} times that"
        )


if __name__ == "__main__":
    main()
