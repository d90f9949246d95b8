import doctest
from importlib import import_module
from pathlib import Path

import pytest
from workspace import ROOT


def with_examples() -> list[str]:
    """Names of the modules whose docstrings have examples."""
    files = sorted(Path(ROOT, "pipeline").rglob("*.py"))
    held = [file.relative_to(ROOT) for file in files if ">>> " in file.read_text(encoding="utf-8")]
    return [".".join(file.with_suffix("").parts) for file in held]


@pytest.mark.parametrize("name", with_examples())
def test_examples_in_docstrings(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted and not result.failed


@pytest.mark.parametrize("page", ["recordings.md"])
def test_examples_in_pages(page):
    result = doctest.testfile(str(Path(ROOT, "docs", page)), module_relative=False)
    assert result.attempted and not result.failed
