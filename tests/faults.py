"""What can happen to a run: its processes killed, its disk full, its files damaged."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.files import read_json
from pipeline.receipts import SUFFIX

KILLS = ("main process", "rule job", "worker of a job")
KINDS = (*KILLS, "full disk", "truncated file", "corpus file")


@dataclass
class Fault:
    """What was done to whom; `undo` is called once the command has ended."""

    kind: str
    hit: str
    tree: list[psutil.Process]
    undo: Callable[[], None] = lambda: None


@dataclass
class Scene:
    """Where faults are done: a run's main process, its folder, the files of its corpus."""

    process: psutil.Process
    folder: Path
    corpus: list[Path]
    rng: random.Random

    def strike(self, kind: str) -> Fault | None:
        """Do it, or return None where there is nothing to do it to."""
        tree = [self.process, *self.process.children(recursive=True)]
        if kind in KILLS:
            hit = self._kill(kind, tree)
            return hit and Fault(kind, hit, tree)
        done = {"full disk": self._fill, "truncated file": self._cut, "corpus file": self._spoil}
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
            free = shutil.disk_usage(self.folder).free
            os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
        return f"{left // 1024} kB left", filler.unlink

    def _cut(self) -> tuple[str, Callable[[], None]] | None:
        """Cut a file of an output that is finished; the report is no intermediate."""
        outputs = [
            self.folder / output
            for receipt in (self.folder / "results/logs").rglob(f"*{SUFFIX}")
            for output, sizes in read_json(receipt)["outputs"].items()
            if sizes is not None and not output.startswith("results/report")
        ]
        if not outputs:
            return None
        output = self.rng.choice(sorted(outputs))
        files = [path for path in sorted(output.rglob("*")) if path.is_file()] or [output]
        path = self.rng.choice(files)
        size = path.stat().st_size
        left = self.rng.choice([0, self.rng.randrange(max(size, 1))])
        os.truncate(path, left)
        return f"{path.relative_to(self.folder)}, {left} of {size} bytes", lambda: None

    def _spoil(self) -> tuple[str, Callable[[], None]] | None:
        if (self.folder / "results/corpora/speech.csv").exists():
            return None  # nobody looks at the corpus any more
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
    """Name of the script that a process of Python runs."""
    try:
        words = process.cmdline()[:2] if process else []
    except psutil.Error:
        return None
    found = [Path(word).name for word in words if "/.snakemake/scripts/" in word]
    return found[0].split(".", 1)[1] if found else None
