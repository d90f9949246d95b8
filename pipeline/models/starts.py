"""Models that others of the run depend on: the parts of chains, and weights to start from."""

from pathlib import Path
from typing import Any, cast

from pipeline.base.errors import PipelineError
from pipeline.config import Config
from pipeline.config.models import Network, Separator
from pipeline.config.paths import is_file_name, placed
from pipeline.models import entry_of, networks_of, parse_arguments
from pipeline.models.chain import CHAIN, PARTS
from pipeline.tasks import DENOISE, SEPARATE, TASKS, Task, denoising
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
    if network.init_from == PARTS:
        references = _parts(network)
    else:
        reference = referred(network.init_from)
        references = [reference] if reference else []
    return [_key(config, reference, model.run) for reference in references]


def parts_of(config: Config, network: Network) -> list[dict[str, Any]]:
    """Model and arguments, defaults filled in, of both networks of a chain.

    Raises:
        PipelineError: a part is no network of the run that is trained, or is a chain itself.
    """
    found = []
    for task, reference in zip((DENOISE, SEPARATE), _parts(network), strict=True):
        part = _network(config, task.section, reference)
        arguments = parse_arguments(part.model, part.arguments).model_dump(mode="json")
        found.append({"model": part.model, "arguments": arguments})
    return found


def _parts(network: Network) -> list[Reference]:
    """Both networks of a chain, as the configuration refers to them."""
    return [Reference.parse(str(network.arguments[name])) for name in ("first", "second")]


def _network(config: Config, section: str, reference: Reference) -> Any:
    """The section of a network that is trained in the run, and is no chain."""
    fitting = {
        name: network
        for name, network in getattr(config, section).items()
        if network.model != CHAIN and entry_of(network.model).trained
    }
    if reference.section != section or reference.name not in fitting:
        allowed = ", ".join(f"{section}.{name}" for name in fitting)
        which = f"is none of {allowed}; write one of these" if allowed else "is not there"
        raise PipelineError(f"{reference} {which}, or name another network under {section}")
    network = fitting[reference.name]
    if reference.trained and str(reference.trained) not in network.conditions:
        raise PipelineError(_other_conditions(reference, network))
    return network


def _key(config: Config, reference: Reference, run: int) -> ModelKey:
    """The model that a checked reference means."""
    [task] = [task for task in TASKS.values() if task.section == reference.section]
    conditions = getattr(config, task.section)[reference.name].conditions
    trained = reference.trained or Condition.parse(conditions[0])
    return ModelKey(task.name, reference.name, trained, run)


def check_starts(config: Config) -> None:
    """Refuse weights to start from that are not there, do not fit, or are of no training.

    Likewise chains of networks that are not there, and an inner loss where there is no chain.

    Raises:
        PipelineError: one line that names the key.
    """
    networks = list(networks_of(config))
    for name, task, network in networks:
        for key, check in (
            ("conditions", _check_conditions),
            ("arguments", _check_parts),
            ("training.inner_weight", _check_inner),
            ("init_from", _check_start),
        ):
            try:
                check(config, task, name.partition(".")[2], network)
            except PipelineError as error:
                raise PipelineError(f"config: {name}.{key}: {error}") from error
    for name, task, network in networks:
        for condition in cast(Separator, network).conditions:
            model = ModelKey(task.name, name.partition(".")[2], Condition.parse(condition))
            _refuse_circle(config, f"config: {name}.init_from: ", [model])


def _check_conditions(config: Config, task: Task, name: str, network: Any) -> None:
    if network.model == CHAIN and network.conditions != [str(NOISY)]:
        raise PipelineError("a chain denoises by itself; write [noisy]")


def _check_parts(config: Config, task: Task, name: str, network: Any) -> None:
    if network.model == CHAIN:
        parts_of(config, network)


def _check_inner(config: Config, task: Task, name: str, network: Any) -> None:
    if network.model != CHAIN and config.training_of(task.section, name).inner_weight:
        raise PipelineError("only a chain has an inner signal; set it under training of a chain")


def _check_start(config: Config, task: Task, name: str, network: Any) -> None:
    if not network.init_from:
        return
    if not entry_of(network.model).trained:
        raise PipelineError(f"{network.model} is not trained, but published; leave it out")
    if network.init_from == PARTS:
        return _check_start_of_parts(config, network)
    if reference := referred(network.init_from):
        return _check_reference(config, network, reference)
    source = str(network.init_from)
    ours = source.endswith(".safetensors")  # which another run may make
    if is_file_name(source) and not ours and not Path(source).is_file():
        raise PipelineError(f"{placed(source)}: no such file; give the path of weights")


def _check_start_of_parts(config: Config, network: Any) -> None:
    if network.model != CHAIN:
        raise PipelineError(f"{PARTS} is for a chain; give another one, or leave init_from out")
    for task, reference in zip((DENOISE, SEPARATE), _parts(network), strict=True):
        part = _network(config, task.section, reference)
        _check_one_condition(reference, part)
    if part.noise_output != network.noise_output:
        raise PipelineError(f"{reference} differs in noise_output; give both the same")


def _check_reference(config: Config, network: Network, reference: Reference) -> None:
    section = getattr(config, reference.section)
    if reference.name not in section:
        raise PipelineError(f"{reference} is not configured; allowed: {', '.join(section)}")
    other = section[reference.name]
    if not entry_of(other.model).trained:
        raise PipelineError(f"{reference} is not trained, but published; name another model")
    _check_one_condition(reference, other)
    mine, its = (parse_arguments(n.model, n.arguments).model_dump() for n in (network, other))
    if network.model != other.model or mine != its:
        raise PipelineError(
            f"{reference} has another model or other arguments; give both the same, or leave"
            " init_from out"
        )


def _check_one_condition(reference: Reference, other: Any) -> None:
    """A reference is to one training: it names its condition, or there is only one."""
    asked = [str(reference.trained)] if reference.trained else other.conditions
    if len(asked) > 1 or asked[0] not in other.conditions:
        raise PipelineError(_other_conditions(reference, other))


def _other_conditions(reference: Reference, other: Any) -> str:
    names = ", ".join(f"{reference.section}.{reference.name}/{c}" for c in other.conditions)
    return f"{reference} is none of {names}; write one of these"


def _refuse_circle(config: Config, where: str, path: list[ModelKey]) -> None:
    """Refuse models that wait for one another: for weights to start from, or for a denoiser."""
    model = path[-1]
    if model in path[:-1]:
        names = " waits for ".join(f"{TASKS[m.task].section}.{m.name}/{m.trained}" for m in path)
        raise PipelineError(f"{where}{names}; leave one init_from out")
    denoiser = model.trained.kind == "denoised"
    before = [denoising(model.trained, model.run).model] if denoiser else []
    for other in (*starts_of(config, model), *before):
        _refuse_circle(config, where, [*path, other])
