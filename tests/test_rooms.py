"""Packages import in one direction: no package imports one that comes after it in the list."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"
ROOMS = [
    *("base", "tasks", "config", "fetch", "audio", "corpora", "mixtures", "weights", "models"),
    *("losses", "experiment", "evaluation", "training", "inference", "report", "app"),
]
APART = {("inference", "training")}  # a network is used without the code that trained it


def imported(path):
    """Packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for parts in (name.split(".") for name in names):
            if parts[0] == "pipeline":
                yield parts[1]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_before_it(room):
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert modules
    allowed = ROOMS[: ROOMS.index(room) + 1]
    wrong = {
        (str(path.relative_to(PACKAGE)), other)
        for path in modules
        for other in imported(path)
        if other not in allowed or (room, other) in APART
    }
    assert not wrong


def test_every_module_is_in_a_room():
    found = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}
    assert found == {*ROOMS, "__init__.py", "__main__.py"}
