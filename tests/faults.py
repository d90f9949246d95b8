"""Faults of a run: killed processes, a full disk, damaged or moved files."""

import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.base.files import read_json
from pipeline.base.receipts import SUFFIX

KILLS = ("main process", "rule job", "worker of a job")
# Faults that end the command with all its processes, since the next one starts in another state.
BETWEEN = ("another configuration", "moved folder", "results moved alone", "changed corpus")
STRUCK = ("full disk", "truncated file", "corpus file", "after the receipt", "clock ahead")
KINDS = (*KILLS, *STRUCK, *BETWEEN)
AHEAD = 86400  # seconds


@dataclass
class Fault:
    """A fault and its target; `undo` is called after the command has ended.

    For the kinds `BETWEEN` only the command is ended here; the caller does the rest.
    """

    kind: str
    hit: str
    tree: list[psutil.Process]
    undo: Callable[[], None] = lambda: None


@dataclass
class Scene:
    """The targets of faults: a run's main process, its folder, and the files of its corpus.

    `benchmarks` are the paths of all benchmarks of a whole run below its folder, one per job.
    """

    process: psutil.Process
    folder: Path
    corpus: list[Path]
    benchmarks: list[str]
    rng: random.Random

    def strike(self, kind: str) -> Fault | None:
        """Apply the fault; return None if it has no target."""
        tree = [self.process, *self.process.children(recursive=True)]
        if kind in KILLS:
            hit = self._kill(kind, tree)
            return hit and Fault(kind, hit, tree)
        if kind in BETWEEN:
            self.process.terminate()
            return Fault(kind, f"process {self.process.pid} told to stop", tree)
        done = {
            "full disk": self._fill,
            "truncated file": self._cut,
            "corpus file": self._spoil,
            "after the receipt": self._block,
            "clock ahead": self._set_clock,
        }
        struck = done[kind]()
        return struck and Fault(kind, struck[0], tree, struck[1])

    def _kill(self, kind: str, tree: list[psutil.Process]) -> str | None:
        if kind == "main process":
            found = [self.process]
        else:
            wanted = kind == "worker of a job"
            jobs = [process for process in tree if _script(process)]
            found = [p for p in jobs if bool(_script(p.parent())) == wanted]
        if not found:
            return None
        victim = self.rng.choice(found)
        name = _script(victim) or f"process {victim.pid}"
        victim.kill()
        return name

    def _fill(self) -> tuple[str, Callable[[], None]]:
        filler, left = self.folder / "filler", self.rng.choice([0, 4096, 1 << 16, 1 << 19])
        with filler.open("wb") as file:
            while True:
                free = shutil.disk_usage(self.folder).free
                try:
                    os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
                    break
                except OSError:  # a job has written meanwhile
                    continue
        return f"{left // 1024} kB left", filler.unlink

    def _cut(self) -> tuple[str, Callable[[], None]] | None:
        """Truncate a file of a finished output; the report is not an intermediate output."""
        outputs = [
            self.folder / output
            for receipt in (self.folder / "results/logs").rglob(f"*{SUFFIX}")
            for output, made in read_json(receipt)["outputs"].items()
            if made is not None and not output.startswith("results/report")
            if (self.folder / output).exists()
        ]
        if not outputs:
            return None
        output = self.rng.choice(sorted(outputs))
        files = [path for path in sorted(output.rglob("*")) if path.is_file()] or [output]
        path = self.rng.choice(files)
        if not path.exists():
            return None  # its job has just started again
        size = path.stat().st_size
        left = self.rng.choice([0, self.rng.randrange(max(size, 1))])
        os.truncate(path, left)
        return f"{path.relative_to(self.folder)}, {left} of {size} bytes", lambda: None

    def _block(self) -> tuple[str, Callable[[], None]] | None:
        """Let a job fail after its receipt is closed: Snakemake cannot write its benchmark."""
        coming = [path for name in self.benchmarks if not (path := self.folder / name).exists()]
        if not coming:
            return None
        path = self.rng.choice(coming)
        path.mkdir(parents=True)

        def undo() -> None:
            if path.is_dir():
                path.rmdir()

        return str(path.relative_to(self.folder)), undo

    def _set_clock(self) -> tuple[str, Callable[[], None]] | None:
        """Date all outputs to tomorrow, as if the clock had been ahead until now."""
        files = [path for path in (self.folder / "results").rglob("*") if path.is_file()]
        outputs = [path for path in files if "logs" not in path.parts]
        tomorrow = time.time() + AHEAD
        for path in outputs:
            if path.exists() and not path.name.startswith("."):
                os.utime(path, (tomorrow, tomorrow))
        return f"{len(outputs)} files are of tomorrow", lambda: None

    def _spoil(self) -> tuple[str, Callable[[], None]] | None:
        if (self.folder / "results/corpora/speech.csv").exists():
            return None  # no job reads the corpus any more
        path = self.rng.choice(self.corpus)
        content, dangling = path.read_bytes(), self.rng.random() < 0.5
        path.unlink()
        if dangling:
            path.symlink_to("nowhere")
        else:
            path.write_bytes(self.rng.randbytes(1000))

        def undo() -> None:
            path.unlink()
            path.write_bytes(content)

        return f"{path.name}, {'a dangling link' if dangling else 'garbage'}", undo


def _script(process: psutil.Process | None) -> str | None:
    """Name of the script that a Python process runs."""
    try:
        words = process.cmdline()[:2] if process else []
    except psutil.Error:
        return None
    found = [Path(word).name for word in words if "/.snakemake/scripts/" in word]
    return found[0].split(".", 1)[1] if found else None
