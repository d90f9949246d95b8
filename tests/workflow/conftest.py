"""A finished run of the smoke configuration, made once, and empty working folders."""

import os
from pathlib import Path

import pytest
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run of the smoke configuration. Tests must not change it: copy it."""
    os.environ["PYTHONWARNINGS"] = "ignore"
    workspace = Workspace(tmp_path_factory.mktemp("smoke"))
    workspace.succeed()
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty working folder."""
    return Workspace(tmp_path)
