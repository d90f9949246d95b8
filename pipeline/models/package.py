"""Installed packages of which files are read; the packages are not imported."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.base.provenance import sha256


@dataclass(frozen=True)
class Files:
    """Files of an installed package.

    Attributes:
        name: of its distribution.
        version: that the tests run with.
        files: names of those that decide what it returns: its weights, and code that runs it.
    """

    name: str
    version: str
    files: tuple[str, ...]

    @property
    def missing(self) -> str | None:
        """The part that is not installed and the command that installs it, or None."""
        try:
            distribution(self.name)
        except PackageNotFoundError:
            return f"{self.name} not installed: {self._command}"
        absent = [module for module in self.modules if find_spec(module) is None]
        return f"{absent[0]} not installed: pip install {absent[0]}" if absent else None

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules of other packages that are needed beside the files."""
        return ()

    @property
    def _command(self) -> str:
        # Without dependencies, since only files are read.
        return f"pip install --no-deps {self.name}=={self.version}"

    def file(self, name: str) -> Path:
        """The path of one of its files.

        Raises:
            PipelineError: it is not installed, or without this file.
        """
        if self.missing:
            raise PipelineError(self.missing)
        installed = distribution(self.name)
        for entry in installed.files or ():
            path = Path(str(installed.locate_file(entry)))
            if entry.name == name and path.is_file():
                return path
        raise PipelineError(
            f"{self.name} {installed.version} is installed without {name}: {self._command}"
        )

    def sums(self) -> dict[str, str]:
        """The SHA-256 of each of its `files`.

        Raises:
            PipelineError: it is not installed, or without one of them.
        """
        paths = {name: self.file(name) for name in self.files}
        return {name: sum_of(path) for name, path in paths.items()}


@dataclass(frozen=True)
class Package(Files):
    """An installed package that holds a published network.

    Attributes:
        licence: of the weights, and of the package.
        training_data: on which its authors trained the network, as far as they say.
        parameters: of the network.
        multiply_adds: of the network for a second of audio, counted as in `cost.py`.
        needs: modules of other packages that run it.
    """

    licence: str
    training_data: str
    parameters: int
    multiply_adds: float
    needs: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """Those that run the network."""
        return self.needs

    def facts(self) -> dict[str, Any]:
        """The origin of the network, for the card of a model.

        Raises:
            PipelineError: it is not installed, or without its files.
        """
        return {
            "package": self.name,
            "sha256": self.sums(),
            "version": distribution(self.name).version,
            "licence": self.licence,
            "training_data": self.training_data,
        }

    def check(self, facts: Mapping[str, Any], weights: Path | str) -> None:
        """Check that the installed files are those of which a card tells.

        Args:
            facts: from `facts`, as the card has them.
            weights: the file with the card.

        Raises:
            PipelineError: others are installed.
        """
        if self.sums() != facts.get("sha256"):
            version = facts.get("version")
            raise PipelineError(
                f"{weights}: tells of {self.name} {version}, and"
                f" {distribution(self.name).version} with other files is installed;"
                f" pip install --no-deps {self.name}=={version}, or delete it and run again"
            )


def sum_of(path: Path) -> str:
    """The SHA-256 of a file, computed again only where its date has changed."""
    return _sum(path, path.stat().st_mtime_ns)


@cache
def _sum(path: Path, modified: int) -> str:
    return sha256(path)


def library_file(name: str) -> str:
    """The file name of a shared library on this system."""
    return f"lib{name}.{'dylib' if sys.platform == 'darwin' else 'so'}"
