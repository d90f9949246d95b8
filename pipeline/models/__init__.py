"""Networks and their registry: `MODELS` has an `Entry` for each name in the configuration.

An extension adds its own (`docs/extending.md`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.base.errors import PipelineError, first_few
from pipeline.config import Config, Section
from pipeline.config.models import Network
from pipeline.config.problems import describe_problems
from pipeline.models import (
    chain,
    conv_tasnet,
    demucs,
    dprnn,
    dptnet,
    gatewave,
    pretrained,
    sudormrf,
    tiger,
    wave_u_net,
)
from pipeline.models.entry import Entry
from pipeline.models.published import deepfilternet3, dtln, rnnoise, spectral_gating
from pipeline.tasks import TASKS, Task

if TYPE_CHECKING:
    from torch import nn

MODELS: dict[str, Entry] = {
    "conv_tasnet": conv_tasnet.ENTRY,
    "dprnn": dprnn.ENTRY,
    "dptnet": dptnet.ENTRY,
    "sudormrf": sudormrf.ENTRY,
    "tiger": tiger.ENTRY,
    "chain": chain.ENTRY,
    "demucs": demucs.ENTRY,
    "wave_u_net": wave_u_net.ENTRY,
    "gatewave": gatewave.ENTRY,
    "deepfilternet3": deepfilternet3.ENTRY,
    "rnnoise": rnnoise.ENTRY,
    "dtln": dtln.ENTRY,
    "spectral_gating": spectral_gating.ENTRY,
    "pretrained": pretrained.ENTRY,
}


OURS = dict(MODELS)
"""The entries that no extension has added or replaced."""


def entry_of(model: str, prefix: str = "") -> Entry:
    """The entry of a registered network; `prefix` begins errors.

    Raises:
        PipelineError: no such network.
    """
    if model not in MODELS:
        raise PipelineError(f"{prefix}model: '{model}' is not registered; allowed: {_allowed()}")
    if not isinstance(MODELS[model], Entry):
        raise PipelineError(f"{prefix}model: '{model}' is no Entry in MODELS; add one")
    return MODELS[model]


def _allowed(task: str = "") -> str:
    """The names of all networks, or of those for a task."""
    entries = {name: entry for name, entry in MODELS.items() if isinstance(entry, Entry)}
    return ", ".join(name for name, entry in entries.items() if not task or task in entry.tasks)


def parse_arguments(model: str, arguments: dict[str, Any], prefix: str = "") -> Section:
    """Type the arguments of a registered network, defaults filled in.

    `prefix` is the key of the network in the configuration, with a trailing dot, for errors.

    Raises:
        PipelineError: no such network, or an unknown or ill-typed argument.
    """
    section = entry_of(model, prefix).arguments
    try:
        return section(**arguments)
    except ValidationError as error:
        problems = describe_problems(error, section, f"{prefix}arguments.")
        raise PipelineError(first_few(list(problems))) from error


def check_networks(config: Config) -> None:
    """Check the name, the task and the arguments of every network before anything is computed.

    Raises:
        PipelineError: one line that names the key.
    """
    for name, task, network in networks_of(config):
        try:
            _check_task(network.model, task.name, f"{name}.")
            arguments = parse_arguments(network.model, network.arguments, f"{name}.")
            if file := entry_of(network.model).file:
                file(arguments)
                if getattr(network, "noise_output", False):
                    raise PipelineError(
                        f"{name}.noise_output: a trained network is taken as it is; leave it out"
                    )
        except PipelineError as error:
            raise PipelineError(f"config: {error}") from error


def networks_of(config: Config) -> Iterator[tuple[str, Task, Network]]:
    """Yield every network of a configuration with its key and its task."""
    for task in TASKS.values():
        for name, network in getattr(config, task.section).items():
            yield f"{task.section}.{name}", task, network


def _check_task(model: str, task: str, prefix: str) -> None:
    if task not in entry_of(model, prefix).tasks:
        raise PipelineError(
            f"{prefix}model: '{model}' is not for the task {task}; allowed: {_allowed(task)}"
        )


def build(
    model: str,
    arguments: dict[str, Any],
    num_sources: int,
    sample_rate: int,
    noise_output: bool = False,
) -> "nn.Module":
    """Build a registered network: `[batch, time]` to `[batch, sources, time]`.

    A network of another sample rate, in Hz, is built with resampling around it, and one with
    `noise_output` returns the noise as well.
    """
    if noise_output:
        from pipeline.models.with_noise import WithNoise

        return WithNoise(build(model, arguments, num_sources + 1, sample_rate))
    parsed, entry = parse_arguments(model, arguments), MODELS[model]
    rate = entry.rate_for(sample_rate)
    network = entry.build(parsed, num_sources, rate)
    if rate == sample_rate:
        return network
    from pipeline.models.resampled import Resampled

    return Resampled(network, sample_rate, rate)


def look_ahead(model: str, arguments: dict[str, Any], sample_rate: int) -> float | None:
    """Seconds of audio after a sample on which its estimate depends.

    None means the whole recording. No machine can be faster than this; the time to compute is
    extra.
    """
    parsed, entry = parse_arguments(model, arguments), MODELS[model]
    rate = entry.rate_for(sample_rate)
    seconds = entry.look_ahead(parsed, rate)
    if rate == sample_rate or seconds is None:
        return seconds
    from pipeline.models.resampled import resampling_look_ahead

    return seconds + resampling_look_ahead(sample_rate, rate)
