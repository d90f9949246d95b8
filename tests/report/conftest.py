"""Results trees for the tests of the report."""

import pytest
from report.results_tree import Builder, Tree

from pipeline.report.page import write_report


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Tree:
    """The whole tree, still without a report."""
    return Builder(tmp_path_factory.mktemp("results")).build()


@pytest.fixture(scope="session")
def full(tree) -> Tree:
    """The whole tree, rendered once."""
    write_report(tree.inputs, tree.index)
    return tree


@pytest.fixture
def builder(tmp_path):
    """A tree of any size: `builder(mixtures=2).build()`."""
    return lambda **sizes: Builder(tmp_path, **sizes)
