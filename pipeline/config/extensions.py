"""A user's own Python files, which add networks, terms of a loss and tasks to the registries."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from pipeline.base.errors import PipelineError, in_short
from pipeline.config.paths import placed

PREFIX = "extension_"


def load_extensions(paths: list[str]) -> None:
    """Import Python files, each once in a process.

    Raises:
        PipelineError: a file is not there, two have one name, or it cannot be imported.
    """
    for path in map(Path, paths):
        name = PREFIX + path.stem
        known = sys.modules.get(name)
        if known is None:
            _load(name, path)
        elif Path(str(known.__file__)) != path.resolve():
            raise PipelineError(
                f"extensions: {path} and {known.__file__} have one name; rename one of them"
            )


def files_of(*parts: Callable[..., Any] | None) -> list[str]:
    """The extension files in which functions were written, each once."""
    modules = [part.__module__ for part in parts if part is not None]
    return list(
        dict.fromkeys(
            str(sys.modules[name].__file__) for name in modules if name.startswith(PREFIX)
        )
    )


def _load(name: str, path: Path) -> None:
    if not path.is_file():
        raise PipelineError(f"extensions: {placed(path)}: no such file; check the path")
    spec = spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise PipelineError(f"extensions: {path}: is not a Python file; name it .py")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise PipelineError(
            f"extensions: {path}: cannot be imported ({type(error).__name__}: {in_short(error)});"
            " mend it"
        ) from error
