"""The profile as a lab would set it, and the command that runs the workflow with it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cluster import ACCOUNT
from workspace import ROOT, Done, Workspace

PROFILE = ROOT / "workflow/profiles/slurm"
LAB = {
    'partition = "main"': 'partition = "cpu"',
    'account = ""': f'account = "{ACCOUNT}"',
    # Shorter than on a real cluster, where frequent requests are a burden.
    "status-checks: 20": "status-checks: 3",
}

# One separator, trained once: three systems instead of nine, and a job of every rule.
FEWER = {"separators": {"conv_tasnet": {"conditions": ["noisy"]}, "small": None}}


def set_profile(folder: Path, changes: dict[str, str]) -> Path:
    """A copy of the profile with some lines changed."""
    text = (PROFILE / "profile.v9+.yaml").read_text(encoding="utf-8")
    for line, changed in changes.items():  # in order: one may change the result of an earlier one
        assert text.count(line) == 1, line
        text = text.replace(line, changed)
    folder.mkdir(parents=True)
    (folder / "profile.v9+.yaml").write_text(text, encoding="utf-8")
    return folder


class ClusterRun(Workspace):
    """A working folder and the command that runs the workflow in it on the cluster."""

    def __init__(self, folder: Path, changes: dict[str, str] | None = None) -> None:
        super().__init__(folder)
        profile = set_profile(folder / "profile", LAB | (changes or {}))
        self.where = ("--workflow-profile", str(profile))
        self.printed = folder / "printed.txt"

    def start(self, *arguments: str, **config: tuple[Path, ...]) -> None:
        """Start the command and return at once."""
        with self.printed.open("w") as file:
            self.process = subprocess.Popen(
                self.command(*arguments, **config), stdout=file, stderr=file, start_new_session=True
            )

    def finish(self) -> Done:
        """Wait for the command that was started."""
        code = self.process.wait(1200)
        return Done(self.process.args, code, self.printed.read_text(encoding="utf-8"), "")

    def kill(self) -> None:
        """Stop all processes when a test has failed."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait(self, ready: Callable[[], object]) -> None:
        """Wait for an event while the command runs."""
        while not ready():
            assert self.process.poll() is None, self.printed.read_text(encoding="utf-8")
            time.sleep(0.2)
