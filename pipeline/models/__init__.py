"""Networks and their registry: a module here with the three names below is an entry.

`Arguments` is a typed section of the configuration; `build(arguments, num_sources,
sample_rate)` returns a module that maps `[batch, time]` to `[batch, sources, time]`, told where
shorter ones are padded their lengths `[batch]`, which must make each what it is alone;
`look_ahead(arguments, sample_rate)` says what of the future its output hangs on.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.base.errors import PipelineError, first_few
from pipeline.config import Config, Section
from pipeline.config.problems import describe_problems
from pipeline.tasks import TASKS

if TYPE_CHECKING:
    from torch import nn

MODELS = ("conv_tasnet",)


def parse_arguments(model: str, arguments: dict[str, Any], prefix: str = "") -> Section:
    """Type the arguments of a registered model, defaults filled in.

    `prefix` is the key of the network in the configuration, with a trailing dot, for errors.

    Raises:
        PipelineError: no such model, or an unknown or ill-typed argument.
    """
    if model not in MODELS:
        allowed = ", ".join(MODELS)
        raise PipelineError(f"{prefix}model: '{model}' is not registered; allowed: {allowed}")
    section: type[Section] = import_module(f"{__name__}.{model}").Arguments
    try:
        return section(**arguments)
    except ValidationError as error:
        problems = describe_problems(error, section, f"{prefix}arguments.")
        raise PipelineError(first_few(list(problems))) from error


def check_networks(config: Config) -> None:
    """Check every model name and its arguments before anything is computed.

    Raises:
        PipelineError: one line that names the key.
    """
    for section in (task.section for task in TASKS.values()):
        for name, network in getattr(config, section).items():
            try:
                parse_arguments(network.model, network.arguments, f"{section}.{name}.")
            except PipelineError as error:
                raise PipelineError(f"config: {error}") from error


def build(model: str, arguments: dict[str, Any], num_sources: int, sample_rate: int) -> "nn.Module":
    """Build a registered network: `[batch, time]` to `[batch, sources, time]`."""
    parsed = parse_arguments(model, arguments)
    return import_module(f"{__name__}.{model}").build(parsed, num_sources, sample_rate)


def look_ahead(model: str, arguments: dict[str, Any], sample_rate: int) -> float | None:
    """Seconds of audio after a sample that must have been heard before its estimate is known.

    None means the whole recording. What no machine can be faster than: time to compute is extra.
    """
    parsed = parse_arguments(model, arguments)
    return import_module(f"{__name__}.{model}").look_ahead(parsed, sample_rate)
