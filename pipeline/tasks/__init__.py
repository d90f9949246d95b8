"""The tasks of networks: each is an entry of `TASKS`, and nothing else lists them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.tasks.grammar import (
    NOISY,
    UNTRAINED,
    Condition,
    ModelKey,
    System,
    denoiser_after,
)


@dataclass(frozen=True)
class Task:
    """A task: the signals that its networks return, and how they are trained and scored.

    Attributes:
        name: in paths and tables, a verb.
        section: of the configuration that names its networks.
        targets: from the number of speakers to the signals that a network returns, as LibriMix
            names them.
        permuted: whether the network returns them in any order.
        loss: the terms that are minimised and their weights (`pipeline.losses`), unless the
            configuration names others.
        measures: of the evaluation that its outputs are given to.
        optimizer: of its trainings, unless the configuration names another; so are the `schedule`
            of the learning rate, and the value of dev to `monitor`, by which epochs are chosen.
    """

    name: str
    section: str
    targets: Callable[[int], list[str]]
    permuted: bool
    loss: Mapping[str, Any]
    measures: tuple[str, ...]
    optimizer: str = "adam"
    schedule: str = "plateau"
    monitor: str = "dev_si_sdri"


def _mix_clean(num_speakers: int) -> list[str]:
    return ["mix_clean"]


def _speakers(num_speakers: int) -> list[str]:
    return [f"s{k}" for k in range(1, num_speakers + 1)]


MEASURES = ("signal", "dnsmos", "asr")
DENOISE = Task("denoise", "denoisers", _mix_clean, False, {"snr": 1}, MEASURES)
SEPARATE = Task("separate", "separators", _speakers, True, {"si_sdr": 1}, MEASURES)
TASKS = {task.name: task for task in (DENOISE, SEPARATE)}
"""In the order in which they are trained: a condition of one may be made by those before it.

An extension adds its own (`docs/extending.md`).
"""

OURS = dict(TASKS)
"""The tasks that no extension has added or replaced."""


def denoising(condition: Condition, run: int) -> System:
    """The system that makes the mixtures of a denoised condition, for a model of some run."""
    return System(ModelKey(DENOISE.name, condition.denoiser, NOISY, run), NOISY)


def without_network(task: Task, name: str) -> System:
    """A system of no network, of `NO_NETWORKS`: its input is the noisy mixture."""
    return System(ModelKey(task.name, name, UNTRAINED), NOISY)


def denoiser_behind(system: System) -> ModelKey | None:
    """The model that denoises what a system separates: of the same run; None without that step."""
    name = denoiser_after(system.after)
    return ModelKey(DENOISE.name, name, NOISY, system.model.run) if name else None
