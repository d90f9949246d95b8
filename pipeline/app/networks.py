"""Networks by name, folder or file, ready for recordings of any sample rate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.base.errors import PipelineError
from pipeline.tasks import DENOISE, SEPARATE, Task
from pipeline.weights import locate, shipped

if TYPE_CHECKING:
    from pipeline.inference.apply import Setting
    from pipeline.inference.estimator import Estimator

FIRST = {DENOISE.name: "denoiser", SEPARATE.name: "separator_2"}
"""The network of a task where none is named."""


class Running(NamedTuple):
    """A loaded network.

    Attributes:
        name: under which it was found.
        estimator: the network on its device.
        setting: how it runs.
        stream: makes its form for a signal that is still coming in, if it has one.
    """

    name: str
    estimator: "Estimator"
    setting: "Setting"
    stream: Callable[[Any], Any] | None

    @property
    def device(self) -> str:
        """The name of the device."""
        from pipeline.models.devices import describe

        return describe(self.estimator.device)


@dataclass(frozen=True)
class Network:
    """A network that is found, and not loaded yet.

    Attributes:
        name: as it was given.
        sources: signals that it returns.
        rate_for: from the sample rate of a recording to the one at which the network runs.
        keeps_level: whether its estimates have the level of the recording; a network that was
            trained by SI-SDR returns them at any.
    """

    name: str
    sources: int
    rate_for: Callable[[int], int]
    keeps_level: bool

    def load(self, sample_rate: int, device: str, threads: int) -> Running:
        """Load it for recordings of some rate; one that was loaded before is taken again."""
        import torch

        changed = 0 if self.name in published() else locate(self.name).stat().st_mtime_ns
        here = str(Path.cwd())  # relative names mean another file elsewhere
        rate = self.rate_for(sample_rate)
        running = _load(self.name, self.sources, rate, device, threads, changed, here)
        torch.set_num_threads(threads)
        return running


def find(task: Task, name: str | None = None) -> Network:
    """Find a network for a task.

    Args:
        task: what is asked of it.
        name: of a network that ships, or of a published denoiser; the folder of a model of a run,
            or a weights file. None: the network that ships for the task.

    Raises:
        PipelineError: there is none, its package is not installed, or it is for another task.
    """
    name = name or FIRST[task.name]
    if name in FIRST.values() and name not in shipped():
        raise PipelineError(
            f"--model: no {name} ships so far; give {', '.join(published())}, or a network of yours"
        )
    network = _published(name) if name in published() else _trained(name)
    if (network.sources > 1) != task.permuted:
        does = f"separates {network.sources} speakers" if network.sources > 1 else "denoises"
        raise PipelineError(f"{name}: is for another task: it {does}; give another --model")
    return network


def published() -> list[str]:
    """Names of the published denoisers, whose packages may not be installed."""
    from pipeline.models import MODELS

    return [name for name, entry in MODELS.items() if not entry.trained and not entry.file]


def _published(name: str) -> Network:
    from pipeline.models import entry_of

    package = entry_of(name).package
    if package and package.missing:
        raise PipelineError(f"{name}: {package.missing}")
    return Network(name, 1, entry_of(name).rate_for, True)


def _trained(name: str) -> Network:
    from pipeline.models.card import read_card

    card = read_card(locate(name))
    sources, rate = card.num_sources, card.sample_rate
    return Network(name, sources, lambda _: rate, sources == 1)


@lru_cache(maxsize=2)
def _load(
    name: str, sources: int, rate: int, device: str, threads: int, changed: int, here: str
) -> Running:
    from pipeline.config import Inference, Machine
    from pipeline.inference.apply import Setting, load_model
    from pipeline.inference.estimator import Estimator
    from pipeline.models import build, entry_of
    from pipeline.models.card import read_card
    from pipeline.models.devices import open_device

    machine = Machine.model_validate({"device": device, "threads": threads})
    setting = Setting(rate, machine, Inference(), timed=False)
    if name in published():
        network = build(name, {}, 1, rate).eval()
        return Running(name, Estimator(network, open_device(machine), "fp32", name), setting, None)
    path = locate(name)
    form = entry_of(read_card(path).model).stream
    return Running(name, load_model(path, sources, setting), setting, form)
