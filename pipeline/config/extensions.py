"""A user's own Python files, which add networks, terms of a loss and tasks to the registries."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from pipeline.base.errors import PipelineError, in_short
from pipeline.config.paths import at_home, placed
from pipeline.tasks import TASKS
from pipeline.tasks.grammar import NAME

PREFIX = "extension_"
LOADED: dict[str, str] = {}
"""Names of the modules of this process's extensions, and their files as they are configured."""


def load_extensions(paths: list[str]) -> None:
    """Import Python files, each once in a process.

    Raises:
        PipelineError: a file is not there, two have one name, it cannot be imported, or it adds a
            task with an impossible name.
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
    known = set(TASKS)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise PipelineError(
            f"extensions: {path}: cannot be imported ({type(error).__name__}: {in_short(error)});"
            " mend it"
        ) from error
    LOADED[name] = path
    _check_tasks(path, set(TASKS) - known)


def _check_tasks(path: str, added: set[str]) -> None:
    sections = [task.section for task in TASKS.values()]
    for name in sorted(added):
        task = TASKS[name]
        fitting = all(re.fullmatch(NAME, text) for text in (name, task.section))
        if name != task.name or not fitting or sections.count(task.section) > 1:
            raise PipelineError(
                f"extensions: {path}: the task '{name}' with the section '{task.section}' cannot be"
                " added; choose names of a-z, 0-9 and _ that no other task has, and the same name"
                " in TASKS"
            )
