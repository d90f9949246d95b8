"""The short form of `make chaos`."""

import subprocess
import sys

from workspace import ROOT


def test_a_run_ends_the_same_after_a_fault():
    kind = "after the receipt"  # most other faults have tests of their own
    command = [sys.executable, str(ROOT / "tests/chaos.py"), "--faults", "1", "--shards", "1"]
    command += ["--kinds", kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
