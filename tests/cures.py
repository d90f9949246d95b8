"""The error lines for users, as templates, and `cures.txt`: which test follows which of them.

A template is a line with `{}` in place of inserted values. Templates are collected from every
`PipelineError` of the package, from functions whose results are inserted into one, from the
`ValueError`s of sections of the configuration, from a few functions that make lines of other
errors, and from the Snakefiles. Causes that are inserted into another line, `Corrupt`'s and those
of checkpoints, have no cure of their own. Nor has a template without words, which passes on another
line.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"
TABLE = ROOT / "tests/cures.txt"
# Functions whose results are printed by other modules: module to names.
WRITERS = {
    "app/files.py": ("_nothing", "_unusable"),
    "app/process.py": ("_line",),
    "base/disks.py": ("say_full",),
    "base/jobs.py": ("cause_of", "_with_cure"),
    "config/problems.py": ("describe_problems", "_in_its_section", "_allowed"),
    "base/recovery.py": ("_mend", "recover"),
    "audio/media.py": ("_undecodable",),
    "models/package.py": ("missing",),
}
EXITS = re.compile(r'sys\.exit\(\s*f?"error: (.*?)"\s*\)', re.DOTALL)

Functions = dict[str, ast.FunctionDef]


class Line(NamedTuple):
    """A template and the file that contains it, relative to the package or the repository."""

    file: str
    template: str


@cache
def find_lines() -> set[Line]:
    """All lines that the code can print."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        file = str(path.relative_to(PACKAGE))
        texts = _module(ast.parse(path.read_text(encoding="utf-8")), file)
        found |= {Line(file, text) for text in texts if _has_words(text)}
    for path in (ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")):
        texts = EXITS.findall(path.read_text(encoding="utf-8"))
        texts = [re.sub(r"\{.*?\}", "{}", text) for text in texts]
        found |= {Line(str(path.relative_to(ROOT)), text) for text in texts if _has_words(text)}
    return found


def read_table() -> dict[Line, list[str]]:
    """The lines of `cures.txt` with the tests that follow them, as `folder/file.py::name`."""
    table, test = dict[Line, list[str]](), ""
    for row in TABLE.read_text(encoding="utf-8").splitlines():
        if row.startswith("    "):
            file, _, template = row.strip().partition(": ")
            table.setdefault(Line(file, template), []).append(test)
        elif row and not row.startswith("#"):
            test = row
    return table


def exists(test: str) -> bool:
    """Whether a test file has a test of that name."""
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and name in _functions(ast.parse(path.read_text(encoding="utf-8")))


def _module(tree: ast.Module, file: str) -> Iterator[str]:
    functions = _functions(tree)
    # Validators of sections of the configuration.
    typed = file.startswith(("config/", "losses/")) or file == "models/strided.py"
    raised = {"PipelineError", "ValueError"} if typed else {"PipelineError"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in raised and node.args:
            yield from _printed(node.args[0], functions)
    for name in WRITERS.get(file, ()):
        yield from _results(name, functions)


def _functions(tree: ast.Module) -> Functions:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _printed(node: ast.expr, functions: Functions) -> Iterator[str]:
    """Templates of printed lines, and of the strings that functions of the module insert."""
    yield from _texts(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            name = getattr(inner.func, "id", getattr(inner.func, "attr", ""))
            if name in functions and name not in vars(str):
                yield from _results(name, functions)
        elif isinstance(inner, ast.JoinedStr) and isinstance(node, ast.Call):
            yield from _texts(inner)  # of a list that is joined to one line


def _results(name: str, functions: Functions) -> Iterator[str]:
    for node in ast.walk(functions[name]):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield from _texts(node.value)


def _texts(node: ast.expr) -> list[str]:
    """Templates of an expression; several if it depends on a condition."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
        return ["".join(map(str, parts))]
    if isinstance(node, ast.BinOp):
        return [a + b for a in _texts(node.left) for b in _texts(node.right)]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    return ["{}"]


def _has_words(template: str) -> bool:
    text = template.removeprefix("config: ")
    return " " in text and re.search("[a-z]", text) is not None
