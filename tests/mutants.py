"""Put small faults into the code, one at a time, and check that the tests detect them.

    python tests/mutants.py --sample 12

Each mutant of `mutations.py` is tried in a copy of the repository, with the tests it names, one
mutant per core. Succeeds if all faults that were once not detected are, and `ENOUGH` of the others.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mutations import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "data", "results", "shared")
ENOUGH = 0.9
PATIENCE = 600  # s; a test that takes longer hangs, which counts as detection


class Tried(NamedTuple):
    """A mutant, the result of its tests (None if they detected nothing), and their seconds."""

    mutant: Mutant
    seen: str | None
    seconds: float


def main() -> None:
    """Try the mutants, print the surviving ones and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="all", help="how many, spread over the list")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="of files whose names hold this")
    given = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if given.only in mutant.file]
    if given.sample != "all":
        chosen = spread(chosen, int(given.sample))
    for mutant in chosen:
        changed(mutant)  # a list that does not fit the code fails at once
    began = time.monotonic()
    with copies(given.cores) as free, ThreadPoolExecutor(given.cores) as pool:
        refuse_failing(pool, free, chosen)
        tried = list(pool.map(lambda mutant: say(attempt(free, mutant)), chosen))
    sys.exit(judge(tried, time.monotonic() - began))


def spread(mutants: list[Mutant], count: int) -> list[Mutant]:
    """This many of the list, spread evenly."""
    count = min(count, len(mutants))
    return [mutants[k * len(mutants) // count] for k in range(count)]


def changed(mutant: Mutant) -> str:
    """The text of the file with the fault in it.

    Raises:
        SystemExit: the old text does not occur there exactly once.
    """
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        sys.exit(f"{mutant.file}: {mutant.old!r} stands there {found} times; mend mutations.py")
    return text.replace(mutant.old, mutant.new)


@contextmanager
def copies(count: int) -> Iterator[queue.SimpleQueue[Path]]:
    """Copies of the repository, to be taken and returned."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    with TemporaryDirectory() as folder:
        for number in range(count):
            free.put(Path(shutil.copytree(ROOT, Path(folder, str(number)), ignore=LEFT_OUT)))
        yield free


def refuse_failing(
    pool: ThreadPoolExecutor, free: queue.SimpleQueue[Path], mutants: list[Mutant]
) -> None:
    """Refuse tests that fail without any mutant, since they would detect every mutant.

    Raises:
        SystemExit: names these tests.
    """
    sets = list(dict.fromkeys(mutant.tests for mutant in mutants))
    for tests, seen in zip(sets, pool.map(lambda tests: run(free, tests), sets), strict=True):
        if seen:
            sys.exit(f"{' '.join(tests)}: fail without a mutant: {seen}")


def attempt(free: queue.SimpleQueue[Path], mutant: Mutant) -> Tried:
    """Try one mutant."""
    began = time.monotonic()
    seen = run(free, mutant.tests, mutant)
    return Tried(mutant, seen, time.monotonic() - began)


def run(
    free: queue.SimpleQueue[Path], tests: tuple[str, ...], mutant: Mutant | None = None
) -> str | None:
    """Run tests in a copy until one fails; return its name, or None if all pass."""
    root = free.get()
    try:
        if mutant:
            (root / mutant.file).write_text(changed(mutant), encoding="utf-8")
        return first_failure(root, tests)
    finally:
        if mutant:
            shutil.copy2(ROOT / mutant.file, root / mutant.file)
        free.put(root)


def first_failure(root: Path, tests: tuple[str, ...]) -> str | None:
    """The first test that fails in a folder, or None if all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    # Compiled files are distinguished by seconds, in which a file can change twice.
    settings = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    left_out = {"PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    try:
        done = subprocess.run(
            command, cwd=root, env=kept | settings, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"no end after {PATIENCE} s"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0] if failed else f"exit code {done.returncode}"


def say(tried: Tried) -> Tried:
    """Print a line of it, and return it."""
    mutant, seen, seconds = tried
    print(f"{seconds:4.0f} s  {mutant.file}: {title(mutant)}: {seen or 'SURVIVED'}", flush=True)
    return tried


def title(mutant: Mutant) -> str:
    """The change, in one line."""
    return mutant.fault or " ".join(f"{mutant.old} -> {mutant.new or 'nothing'}".split())


def judge(tried: list[Tried], seconds: float) -> int:
    """Print the surviving mutants and the score; return the exit code."""
    survivors = [each.mutant for each in tried if each.seen is None]
    if survivors:
        print("\n| file | survived | tests |\n|---|---|---|")
    for mutant in survivors:
        print(f"| {mutant.file} | `{title(mutant)}` | {' '.join(mutant.tests)} |")
    named, rest = ([t for t in tried if bool(t.mutant.fault) is kind] for kind in (True, False))
    lines = {"that went unseen once": named, "of the rest": rest}
    print()
    for words, group in lines.items():
        seen = sum(each.seen is not None for each in group)
        share = f" ({100 * seen / len(group):.0f} %)" if group else ""
        print(f"{seen} of {len(group)} mutants {words} are seen{share}")
    print(f"in {seconds / 60:.0f} minutes")
    seen = sum(each.seen is not None for each in rest)
    return int(any(mutant.fault for mutant in survivors) or seen < ENOUGH * len(rest))


if __name__ == "__main__":
    main()
