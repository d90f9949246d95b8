"""Runs the workflow like a user: the snakemake command in a folder of its own."""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from preloaded import SECONDS, Preloaded

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests/smoke.yaml"

PRELOADED = Preloaded()
Done = subprocess.CompletedProcess[str]


def merge(below: dict, above: dict) -> dict:
    """Two configurations, joined like Snakemake joins them."""
    both = {
        key: merge(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return below | above | both


def extras() -> dict[str, list[str]]:
    """The extras of the package and the names of the distributions that each installs."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = given["optional-dependencies"].items()
    return {extra: [need.partition("==")[0] for need in needs] for extra, needs in optional}


def apart(command: list[str]) -> Done:
    """Run a command in a process of its own."""
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)


class Workspace:
    """A working folder and the command that runs the workflow in it."""

    where: tuple[str, ...] = ("--cores", "2")

    def __init__(self, folder: Path, snakefile: Path = ROOT / "Snakefile") -> None:
        self.folder, self.snakefile = folder, snakefile

    def command(self, *arguments: str, config: tuple[Path, ...] = (SMOKE,)) -> list[str]:
        """The command line: targets and options, configuration files from base to top."""
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(self.snakefile)]
        files = ["--directory", str(self.folder), "--configfile", *map(str, config)]
        return [*snakemake, *arguments, *self.where, *files]

    def run(self, *arguments: str, config: tuple[Path, ...] = (SMOKE,)) -> Done:
        command = self.command(*arguments, config=config)
        if self.snakefile == ROOT / "Snakefile":
            return PRELOADED.run(command[3:])  # without `python -m snakemake`
        return apart(command)

    def succeed(self, *arguments: str, config: tuple[Path, ...] = (SMOKE,)) -> str:
        done = self.run(*arguments, config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def jobs(self, *arguments: str, config: tuple[Path, ...] = (SMOKE,)) -> dict[str, int]:
        """The jobs of a dry run: rule to number of jobs."""
        lines = self.succeed("-n", *arguments, config=config).splitlines()
        if "Job stats:" not in lines:
            return {}
        table = lines[lines.index("Job stats:") + 3 :]
        rows = [line.split() for line in table[: table.index("")]]
        return {name: int(count) for name, count in rows if name not in ("total", "all")}

    def copy(self, folder: Path) -> "Workspace":
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workspace(folder)

    def __truediv__(self, path: str) -> Path:
        return self.folder / "results" / path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty working folder."""
    return Workspace(tmp_path)


def smoke_run(base: Path) -> Workspace:
    """The finished run of the smoke configuration, made by the first process that asks for it.

    Args:
        base: folder of a session, or of one of the processes that run the tests of it.
    """
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    run, done = Workspace(root / "smoke"), root / "smoke.done"
    with (root / "smoke.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            run.folder.mkdir(exist_ok=True)
            made = apart(run.command())
            assert made.returncode == 0, made.stdout + made.stderr
            done.touch()
    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run of the smoke configuration. Tests must not change it: copy it."""
    return smoke_run(tmp_path_factory.getbasetemp())
