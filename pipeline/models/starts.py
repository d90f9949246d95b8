"""Weights to start a training from: a file, a name on the hub, or another model of the run."""

from pathlib import Path
from typing import cast

from pipeline.base.errors import PipelineError
from pipeline.config import Config
from pipeline.config.models import Network, Separator
from pipeline.config.paths import is_file_name, placed
from pipeline.models import entry_of, networks_of, parse_arguments
from pipeline.models.chain import CHAIN, PARTS, resolved
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import NOISY, Condition, ModelKey, Reference


def referred(init_from: str | None) -> Reference | None:
    """The model of a run that `init_from` refers to; None where it is a file or a hub's name."""
    sections = tuple(f"{task.section}." for task in TASKS.values())
    if not init_from or is_file_name(init_from) or not init_from.startswith(sections):
        return None
    return Reference.parse(init_from)


def starts_of(config: Config, model: ModelKey) -> list[ModelKey]:
    """The models of the same run whose weights the training of another one starts from."""
    network = getattr(config, TASKS[model.task].section)[model.name]
    return [_key(config, reference, model.run) for reference in _referred(network)]


def _referred(network: Network) -> list[Reference]:
    """The models that it starts from, as the configuration refers to them."""
    if network.model == CHAIN and network.init_from == PARTS:
        return [Reference.parse(network.arguments[name]) for name in ("first", "second")]
    reference = referred(network.init_from)
    return [reference] if reference else []


def _key(config: Config, reference: Reference, run: int) -> ModelKey:
    """The model that a checked reference means."""
    [task] = [task for task in TASKS.values() if task.section == reference.section]
    conditions = getattr(config, task.section)[reference.name].conditions
    trained = reference.trained or Condition.parse(conditions[0])
    return ModelKey(task.name, reference.name, trained, run)


def check_starts(config: Config) -> None:
    """Refuse weights to start from that are not there, do not fit, or are of no training.

    And chains of networks that are not there.

    Raises:
        PipelineError: one line that names the key.
    """
    for name, _, network in networks_of(config):
        key = "conditions"
        try:
            if network.model == CHAIN:
                if cast(Separator, network).conditions != [str(NOISY)]:
                    raise PipelineError("a chain denoises by itself; write [noisy]")
                key = "arguments"
                resolved(config, network)
            key = "init_from"
            if network.init_from:
                _check(config, network)
                _refuse_circle(config, name, network)
        except PipelineError as error:
            raise PipelineError(f"config: {name}.{key}: {error}") from error


def _check(config: Config, network: Network) -> None:
    if not entry_of(network.model).trained:
        raise PipelineError(f"{network.model} is not trained, but published; leave it out")
    if network.init_from == PARTS:
        given = network.arguments if network.model == CHAIN else {}
        if not all(isinstance(given.get(name), str) for name in ("first", "second")):
            raise PipelineError(
                f"{PARTS} is for a chain whose first and second refer to models of this run; give"
                " another one, or leave init_from out"
            )
    if references := _referred(network):
        for reference in references:
            _check_reference(config, network, reference)
        return
    source = str(network.init_from)
    ours = source.endswith(".safetensors")  # which another run may make
    if is_file_name(source) and not ours and not Path(source).is_file():
        raise PipelineError(f"{placed(source)}: no such file; give the path of weights")


def _check_reference(config: Config, network: Network, reference: Reference) -> None:
    section = getattr(config, reference.section)
    if reference.name not in section:
        raise PipelineError(f"{reference} is not configured; allowed: {', '.join(section)}")
    other = section[reference.name]
    if not entry_of(other.model).trained:
        raise PipelineError(f"{reference} is not trained, but published; name another model")
    asked = [str(reference.trained)] if reference.trained else other.conditions
    if len(asked) > 1 or asked[0] not in other.conditions:
        names = ", ".join(f"{reference.section}.{reference.name}/{c}" for c in other.conditions)
        raise PipelineError(f"{reference} is none of {names}; write one of these")
    if network.init_from == PARTS:
        return
    mine, its = (parse_arguments(n.model, n.arguments).model_dump() for n in (network, other))
    if network.model != other.model or mine != its:
        raise PipelineError(
            f"{reference} has another model or other arguments; give both the same, or leave"
            " init_from out"
        )


def _refuse_circle(config: Config, name: str, network: Network) -> None:
    """Refuse models that start from one another."""
    seen = [name]
    while references := _referred(network):
        last = references[-1]  # the first of a chain is a denoiser
        seen.append(f"{last.section}.{last.name}")
        if seen[-1] in seen[:-1]:
            raise PipelineError(f"{' starts from '.join(seen)}; leave one init_from out")
        network = getattr(config, last.section)[last.name]
