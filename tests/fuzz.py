"""`make fuzz` tests the properties with new examples for a given time, and keeps every crash.

Each round is a process of its own, with limited memory and time, so that a decoder that
crashes, hangs or takes too much memory ends only that round. Its last file is kept.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
ROOM = 8 << 30  # bytes of address space of a round
ROUND = 600  # s, after which a round counts as hanging


def main() -> None:
    """Run rounds until the time is up; exit 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kept", type=Path, default=Path("results/fuzz"))
    parser.add_argument("tests", nargs="*", default=[str(TESTS / "properties")])
    given = parser.parse_args()
    end, rounds, failed = time.monotonic() + 60 * given.minutes, 0, 0
    while time.monotonic() < end:
        rounds += 1
        failed += not holds(given.tests, given.kept.resolve(), random.randrange(2**32))
    print(f"{rounds} rounds, {failed} failed; what failed is in {given.kept}")
    sys.exit(failed > 0)


def holds(tests: list[str], kept: Path, seed: int) -> bool:
    """Run one round; keep its output and its last file if a property does not hold."""
    folder = kept / str(seed)
    folder.mkdir(parents=True)
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-x", "-q", *tests]
    with (folder / "output.txt").open("w") as output:
        try:
            code = subprocess.run(
                [*command, f"--hypothesis-seed={seed}", "--basetemp", str(folder / "tmp")],
                env=os.environ | {"HYPOTHESIS_PROFILE": "fuzz", "FUZZ_FOLDER": str(folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=TESTS.parent,
                timeout=ROUND,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM)),
            ).returncode
        except subprocess.TimeoutExpired:
            code = "none, it hung"
    print(f"seed {seed}: exit {code}", flush=True)
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    if code == 0:
        shutil.rmtree(folder)
    return code == 0


if __name__ == "__main__":
    main()
