"""The short form of `make chaos`."""

import subprocess
import sys

from workspace import ROOT

# Of the others some change what is asked for, and take a whole run more to compare with.
KINDS = ("main process", "after the receipt", "results moved alone")


def test_a_run_ends_the_same_after_three_faults():
    command = [sys.executable, str(ROOT / "tests/chaos.py"), "--faults", "3", "--kinds", *KINDS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
