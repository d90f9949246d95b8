"""Faults at random moments of a small run, each followed by the same command again.

    python tests/chaos.py --faults 40 --seed 1

Between two commands the configuration and the corpus may change too, and the folder may move. The
exit code is 0 if every disturbed run ended like an undisturbed run of its last configuration, no
finished training was repeated, and every failure gave its cause in one line. Prints a table of the
faults.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import psutil
import soundfile as sf
import yaml
from faults import BETWEEN, KINDS, Fault, Scene
from outcomes import WEIGHTS, cause, differences, fitted, made
from workspace import ROOT, Workspace

from pipeline.config import SPLITS

CONFIG = ROOT / "tests/chaos.yaml"
# Seconds into a command, more of them early, when the corpus is read; an undisturbed run takes 60.
MOMENTS = (1, 10)
LIMIT = 600  # seconds that a command may take
TRACE = "Traceback (most recent call last)"
PATIENCE = 3  # commands in a row that fail without a fault
CURE = re.compile(r"(\S+/state): holds an unfinished training of another configuration")
# Configurations that a run may have; every run begins with the first.
VARIANTS = (
    {},
    {"mixtures": {"noise_snr": [20, 22]}},
    {"inference": {"max_seconds": 1.5, "overlap_seconds": 0.5}},
)
ADDED = "corpus/wham_noise/tr/added.wav"  # exists in one state of the corpus, not in the other


@dataclass
class Run:
    """A disturbed run, and its present configuration."""

    workspace: Workspace
    variant: int = 0
    added: bool = False
    changed: bool = False  # whether it had another configuration before
    failures: int = 0  # in a row, of commands without a fault

    def apply(self, kind: str, rng: random.Random) -> str:
        """Apply a fault of the kinds `BETWEEN`, and print it."""
        folder = self.workspace.folder
        if kind == "another configuration":
            self.variant = rng.choice([k for k in range(len(VARIANTS)) if k != self.variant])
            self.changed = True
            return str(VARIANTS[self.variant])
        if kind == "changed corpus":
            self.added = not self.added
            self.changed = True
            set_corpus(folder, self.added)
            return f"{ADDED} {'added' if self.added else 'gone'}"
        moved = folder.with_name(f"{folder.name}_") / "deeper"
        moved.parent.mkdir()
        if kind == "moved folder":
            folder.rename(moved)
        else:
            moved.mkdir()
            for name in ("results", "corpus"):
                if (folder / name).exists():
                    (folder / name).rename(moved / name)
            shutil.rmtree(folder)
        self.workspace = Workspace(moved)
        return f"to {moved.relative_to(folder.parent)}"


@dataclass
class Chaos:
    """Runs in their own folders below `base`, disturbed one after the other.

    `apart` holds the corpus and the undisturbed runs.
    """

    base: Path
    apart: Path
    rng: random.Random
    kinds: list[str]
    struck: int = 0
    problems: list[str] = field(default_factory=list)
    untouched: dict[tuple[int, bool], Workspace] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make a corpus of files, and an undisturbed run."""
        source = Workspace(self.apart / "source")
        source.succeed("results/corpora/demo", config=(CONFIG,))
        (source / "corpora/demo").rename(self.apart / "corpus")
        subsets = {split: [f"{split}-demo"] for split in SPLITS}
        local = {"speech": "corpus/LibriSpeech", "noise": "corpus/wham_noise", "subsets": subsets}
        for k, variant in enumerate(VARIANTS):
            values = variant | {"corpora": {"kind": "local", "local": local}}
            text = yaml.safe_dump(values)
            (self.apart / f"{k}.yaml").write_text(text, encoding="utf-8")
        began = time.monotonic()
        first = self.left_alone(Run(Workspace(self.base)))
        self.pace = (time.monotonic() - began) / 60
        found = first.folder.glob("results/benchmarks/*/*.tsv")
        self.benchmarks = sorted(str(path.relative_to(first.folder)) for path in found)
        print(f"An untouched run took {60 * self.pace:.0f} s.\n", flush=True)
        print("| | kind | second | hit | ended | said |\n|---|---|---|---|---|---|", flush=True)

    def config(self, run: Run) -> tuple[Path, Path]:
        """Configuration files of a run."""
        return CONFIG, self.apart / f"{run.variant}.yaml"

    def begin(self, folder: Path, added: bool = False) -> Workspace:
        """A working folder with a corpus in it."""
        shutil.copytree(self.apart / "corpus", folder / "corpus")
        set_corpus(folder, added)
        return Workspace(folder)

    def left_alone(self, run: Run) -> Workspace:
        """The undisturbed run of the same configuration; made when it is first needed."""
        asked = (run.variant, run.added)
        if asked not in self.untouched:
            name = f"untouched-{run.variant}-{run.added}"
            self.untouched[asked] = self.begin(self.apart / name, run.added)
            self.untouched[asked].succeed(config=self.config(run))
        return self.untouched[asked]

    def attack(self, faults: int) -> None:
        """Disturb runs until there were enough faults; each run continues until it is finished."""
        self.left: list[str] = []
        number, summary = 0, []
        while self.struck < faults:
            number, before, commands = number + 1, self.struck, 1
            run = Run(self.begin(self.base / f"run-{number}"))
            while not self.done_after_a_command(run, faults):
                commands += 1
                if run.failures == PATIENCE:
                    self.problems.append(f"run {number}: does not end")
                    break
            for problem in differences(self.left_alone(run), run.workspace):
                self.problems.append(f"run {number}: {problem}")
            for folder in self.base.glob(f"run-{number}*"):
                shutil.rmtree(folder)
            summary.append(f"run {number}: {self.struck - before} faults, {commands} commands")
        print("", *summary, *self.problems, sep="\n", flush=True)

    def done_after_a_command(self, run: Run, faults: int) -> bool:
        """Run the command once, disturbed as long as faults are left."""
        workspace = run.workspace
        finished = [str(Path(file).parent) for file in made(workspace, WEIGHTS)]
        began = time.time()
        with TemporaryFile("w+", errors="replace") as output:  # the run's disk may be full
            process = psutil.Popen(
                workspace.command(config=self.config(run)),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            struck = self.strike(process, workspace) if self.struck < faults else None
            code = process.wait(LIMIT)
            output.seek(0)
            text = output.read()
        fault, second = struck or (None, 0)
        again = [] if run.changed else [m for m in finished if fitted(workspace, m) > began]
        self.judge(fault, code, text, again)
        if fault:
            fault.undo()
            self.struck += 1
            hit = run.apply(fault.kind, self.rng) if fault.kind in BETWEEN else fault.hit
            ended = "done" if code == 0 else code
            row = (self.struck, fault.kind, f"{second:.0f}", hit, ended, cause(text))
            shown = " | ".join(map(str, row)).replace(f"{workspace.folder}/", "")
            print("|", shown, "|", flush=True)
        for state in CURE.findall(text):
            shutil.rmtree(run.workspace.folder / state, ignore_errors=True)
        run.failures = 0 if fault else run.failures + 1
        return code == 0 and fault is None

    def strike(self, process: psutil.Popen, run: Workspace) -> tuple[Fault, float] | None:
        """Wait for a moment, then apply the next fault; None if the run was faster.

        Each kind has its turn once before any comes again, if it is possible at that moment.
        """
        began = time.monotonic()
        first, last = MOMENTS
        moment = (first + (last - first) * self.rng.random() ** 2) * self.pace
        corpus = sorted(p for p in (run.folder / "corpus").rglob("*.*") if p.suffix != ".txt")
        scene = Scene(process, run.folder, corpus, self.benchmarks, self.rng)
        drawn = self.rng.sample(self.kinds, len(self.kinds))
        self.left = self.left or drawn
        while process.poll() is None:
            time.sleep(0.05)
            if (second := time.monotonic() - began) < moment:
                continue
            for kind in (*self.left, *drawn):
                if fault := scene.strike(kind):
                    self.left = [other for other in self.left if other != kind]
                    return fault, second
        return None

    def judge(self, fault: Fault | None, code: int, text: str, again: list[str]) -> None:
        """Record a violated expectation."""
        where = f"fault {self.struck}{'' if fault else ', the command after'}"
        # The command was ended from outside, or Snakemake itself gives the cause of a failure.
        silent = ("main process", "after the receipt", *BETWEEN)
        if code and not cause(text) and not (fault and fault.kind in silent):
            self.problems.append(f"{where}: said no cause: {text[-3000:]}")
        if TRACE in text and not cause(text):
            self.problems.append(f"{where}: a trace: {text[text.index(TRACE) - 500 :][:4000]}")
        self.problems += [f"{where}: {model} was trained again" for model in again]
        _, alive = psutil.wait_procs(fault.tree if fault else [], timeout=10)
        ended = psutil.STATUS_ZOMBIE  # its exit code was not read yet
        alive = [p for p in alive if p.is_running() and p.status() != ended]
        self.problems += [f"{where}: {process} lives on" for process in alive]


def set_corpus(folder: Path, added: bool) -> None:
    """Add one more recording to the corpus of a run, or remove it."""
    path = folder / ADDED
    path.unlink(missing_ok=True)
    if added:
        samples, rate = sf.read(sorted(path.parent.iterdir())[0])
        sf.write(path, samples[::-1], rate)


@contextmanager
def small_disk(megabytes: int = 200) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a disk of its own, which needs the right to mount."""
    with TemporaryDirectory() as name:
        size = f"size={megabytes}m"
        mounted = (
            os.geteuid() == 0
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", size, "tmpfs", name], capture_output=True
            ).returncode
        )
        try:
            yield Path(name), mounted
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", name], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    with small_disk() as (base, mounted), TemporaryDirectory() as apart:
        kinds = [kind for kind in given.kinds if mounted or kind != "full disk"]
        if not mounted:
            print("No disk can be mounted here: none is filled.")
        chaos = Chaos(base, Path(apart), random.Random(given.seed), kinds)
        chaos.prepare()
        chaos.attack(given.faults)
    sys.exit(f"{len(chaos.problems)} problems" if chaos.problems else 0)


if __name__ == "__main__":
    main()
