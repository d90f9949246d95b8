"""A user's own Python files, which add networks, terms of a loss and tasks to the registries."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from pipeline.base.errors import PipelineError, in_short
from pipeline.config.paths import at_home, placed
from pipeline.tasks import OURS, TASKS, Task
from pipeline.tasks.grammar import NAME

PREFIX = "extension_"
LOADED: dict[str, str] = {}
"""Names of the modules of this process's extensions, and their files as they are configured."""


def load_extensions(paths: list[str]) -> None:
    """Import Python files, each once in a process.

    Raises:
        PipelineError: a file is not there, two have one name, or it cannot be imported.
    """
    for given in paths:
        try:
            path = at_home(given)
        except ValueError as error:
            raise PipelineError(f"extensions: {error}") from error
        name = PREFIX + Path(path).stem
        if name not in LOADED:
            _load(name, path)
        elif Path(LOADED[name]).resolve() != Path(path).resolve():
            raise PipelineError(
                f"extensions: {path} and {LOADED[name]} have one name; rename one of them"
            )


def _load(name: str, path: str) -> None:
    if not Path(path).is_file():
        raise PipelineError(f"extensions: {placed(path)}: no such file; check the path")
    spec = spec_from_file_location(name, Path(path).resolve())
    if spec is None or spec.loader is None:
        raise PipelineError(f"extensions: {path}: is not a Python file; name it .py")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PipelineError(
            f"extensions: {path}: cannot be imported ({type(error).__name__}: {in_short(error)});"
            " mend it"
        ) from error
    LOADED[name] = path


def check_tasks(taken: set[str], num_speakers: int, measures: tuple[str, ...]) -> None:
    """Check the tasks that extensions added or changed.

    Args:
        taken: keys of the configuration that are no sections of tasks.
        num_speakers: of the mixtures, which decides the signals that there are.
        measures: of the evaluation.

    Raises:
        PipelineError: one line that names the task and what is wrong.
    """
    for name, ours in OURS.items():
        if getattr(TASKS.get(name), "section", None) != ours.section:
            raise PipelineError(f"extensions: the task '{name}' is gone or moved; leave it there")
    signals = ["mix_clean", "noise", *(f"s{k}" for k in range(1, num_speakers + 1))]
    for name, task in TASKS.items():
        if task is OURS.get(name):
            continue
        if problem := _problem(name, task, taken, signals, num_speakers, measures):
            raise PipelineError(f"extensions: the task '{name}': {problem}")


def _problem(
    name: str,
    task: Task,
    taken: set[str],
    signals: list[str],
    num_speakers: int,
    measures: tuple[str, ...],
) -> str:
    """What is wrong with a task, and what to do; empty if it is fine."""
    if not isinstance(task, Task) or task.name != name:
        return "is not a Task of this name; add TASKS[name] = Task(name, …)"
    if not all(re.fullmatch(NAME, text) for text in (name, task.section)):
        return "its name or its section holds more than a-z, 0-9 and _; rename it"
    others = [other.section for key, other in TASKS.items() if key != name]
    if task.section in taken or task.section in others:
        return f"its section '{task.section}' is taken; rename it"
    try:
        targets = list(task.targets(num_speakers))
    except Exception as error:
        return f"its targets fail ({type(error).__name__}: {in_short(error)}); mend them"
    if not targets or len(set(targets)) < len(targets) or not set(targets) <= set(signals):
        return f"its targets {targets} are not some of {', '.join(signals)}; mend them"
    if unknown := [measure for measure in task.measures if measure not in measures]:
        return f"'{unknown[0]}' is no measure; choose of {', '.join(measures)}"
    return ""
