"""Time plans and DAGs of large corpora, without the corpora: `python benchmarks/scale.py`.

The corpus is simulated (manifests with the sizes of LibriSpeech's train-clean-360 and of WHAM!),
and so is the finished run (empty files). The timed steps are real: drawing the plan, and
Snakemake. The program prints the tables of docs/scale.md.
"""

import argparse
import resource
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.config import Mixtures
from pipeline.mixtures.plan import draw_plan

ROOT = Path(__file__).parents[1]
SPEAKERS, UTTERANCES, NOISES = 921, 104_014, 20_000
PLANS = [30_000, 100_000, 1_000_000]  # mixtures
PLAN_SHARDS = 64
DAGS = [(30_000, 16), (1_000_000, 64), (1_000_000, 128)]  # mixtures, shards
CORPORA = "corpora={kind: local, local: {speech: LibriSpeech, noise: wham_noise}}"


def main() -> None:
    """Print a table of plans and one of DAGs."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    print("| mixtures | shards | seconds | peak memory, MB | size, MB |\n|---|---|---|---|---|")
    with TemporaryDirectory() as name:
        simulate_corpus(Path(name))
        for mixtures in PLANS:
            # In a fresh process, so that its peak memory is measured.
            with get_context("spawn").Pool(1) as pool:
                seconds, memory, size = pool.apply(time_plan, (Path(name), mixtures))
            print_row(mixtures, PLAN_SHARDS, f"{seconds:.1f}", f"{memory:.0f}", f"{size:.0f}")
    print("\n| mixtures | shards | train split | jobs | dry run, s | nothing to do, s |")
    print("|---|---|---|---|---|---|")
    for mixtures, shards in DAGS:
        for data in ("rendered", "dynamic"):
            with TemporaryDirectory() as name:
                jobs, dry, again = Run(Path(name), mixtures, shards, data).time()
            print_row(mixtures, shards, data, jobs, f"{dry:.1f}", f"{again:.1f}")


def print_row(*cells: object) -> None:
    """Print a row of a Markdown table at once."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def simulate_corpus(folder: Path) -> None:
    """Write `speech.csv` and `noise.csv` of converted corpora, whose files are never opened."""
    rng = np.random.default_rng(0)
    levels = {"lufs": -26.0, "rms": -26.0, "peak": 0.5, "split": "train"}
    speakers = 1000 + rng.integers(SPEAKERS, size=UTTERANCES)
    names = [f"{speaker}-{speaker + 70}-{i:06d}" for i, speaker in enumerate(speakers)]
    speech = pd.DataFrame({"utterance": names, "speaker": speakers, "sex": "F"} | levels)
    speech["path"] = [f"speech/1-of-64/train/{name}.wav" for name in names]
    speech["samples"] = rng.integers(24_000, 128_000, UTTERANCES)
    speech.to_csv(folder / "speech.csv", index=False)
    names = [f"noise{i}" for i in range(NOISES)]
    noise = pd.DataFrame({"noise": names, "path": [f"noise/{n}.wav" for n in names]} | levels)
    noise["samples"] = rng.integers(24_000, 160_000, NOISES)
    noise.to_csv(folder / "noise.csv", index=False)


def time_plan(folder: Path, mixtures: int) -> tuple[float, float, float]:
    """Draw a plan; return seconds, peak memory of this process in MB and the plan's size in MB."""
    shards = [folder / f"plan/{mixtures}/{k}.csv" for k in range(PLAN_SHARDS)]
    settings = Mixtures.model_validate({"counts": {"train": mixtures, "dev": 1, "test": 1}})
    start = time.perf_counter()
    draw_plan(folder / "speech.csv", folder / "noise.csv", shards, "train", settings, 0, 8000)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, memory, sum(shard.stat().st_size for shard in shards) / 1e6


class Run(NamedTuple):
    """A run of the large preset in a folder of its own; `data` is `rendered` or `dynamic`."""

    folder: Path
    mixtures: int
    shards: int
    data: str

    def time(self) -> tuple[str, float, float]:
        """Return the number of jobs, and the seconds of a dry run and of a run without any work."""
        dry, said = self.timed("-n")
        jobs = next(row.split()[1] for row in said.splitlines() if row.startswith("total"))
        self.pretend()
        again, said = self.timed()
        assert "Nothing to be done" in said, said[-2000:]
        return jobs, dry, again

    def timed(self, *options: str) -> tuple[float, str]:
        """Return the seconds that Snakemake takes, and its output."""
        start = time.perf_counter()
        said = self.snakemake(*options)
        return time.perf_counter() - start, said

    def snakemake(self, *options: str) -> str:
        """Run Snakemake; return its output."""
        preset = ROOT / "workflow/presets/libri3mix.yaml"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += [*options, "--cores", "1", "--directory", str(self.folder)]
        command += ["--configfile", str(preset), "--config", CORPORA]
        command += [f"shards={self.shards}", f"training={{data: {self.data}}}"]
        command += [f"mixtures={{counts: {{train: {self.mixtures}, dev: 3000, test: 3000}}}}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout + done.stderr

    def pretend(self) -> None:
        """Make the folder look like that of a finished run: all outputs, all records of jobs."""
        rows = self.snakemake("--summary").splitlines()
        names = [row.split("\t")[0] for row in rows if row.startswith("results/")]
        for path in (self.folder / name for name in names):
            folder = path.parent if path.suffix else path
            folder.mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.touch()
        self.snakemake("--touch")


if __name__ == "__main__":
    main()
