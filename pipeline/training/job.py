"""What decides the weights of a training."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.config import Training
from pipeline.tasks import TASKS


@dataclass(frozen=True)
class Job:
    """All that decides the weights a training ends with, the data and the machine aside.

    `init_from` has two files where the networks of a chain start from their own trainings.
    `mixtures` is what decides fresh mixtures, None where the mixtures are rendered; the share `dry`
    of them is added to the output of the denoiser that they go through. `package` has the hashes of
    the installed files of a published network, which has no training. With `noise_output` the
    noise of the mixtures is estimated, too.
    """

    task: str
    condition: str
    model: str
    arguments: dict[str, Any]
    init_from: str | list[str] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    mixtures: dict[str, Any] | None = None
    package: dict[str, str] | None = None
    noise_output: bool = False


def recipe(job: Job) -> Training:
    """The settings of a training, those that the configuration leaves open as its task has them."""
    settings, task = Training(**job.training), TASKS[job.task]
    of_task = {"loss": dict(task.loss), "optimizer": task.optimizer}
    of_task |= {"schedule": task.schedule, "monitor": task.monitor}
    given = {name: value for name in of_task if (value := getattr(settings, name)) is not None}
    return settings.model_copy(update=of_task | given)


def facts_of(job: Job) -> dict[str, Any]:
    """The same as plain values, as trainings that were begun by earlier versions have them."""
    facts = asdict(job)
    return {name: value for name, value in facts.items() if name != "noise_output" or value}


def starts_of(job: Job) -> list[tuple[str, str, dict[str, Any]]]:
    """The weights that a training starts from: each source, the model and the arguments it is for.

    Of a chain these may be its first and its second network.
    """
    if not job.init_from:
        return []
    if isinstance(job.init_from, str):
        return [(job.init_from, job.model, job.arguments)]
    parts = [job.arguments[name] for name in ("first", "second")]
    return [
        (source, part["model"], part["arguments"])
        for source, part in zip(job.init_from, parts, strict=True)
    ]
