"""Times plans and DAGs of large corpora, without the corpora: `python benchmarks/scale.py`.

The corpus is simulated (manifests of LibriSpeech's train-clean-360 and WHAM!'s size), and so is
the finished run (empty files). What is timed is real: drawing the plan, and Snakemake.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config import Mixtures
from pipeline.mixtures.plan import draw_plan

ROOT = Path(__file__).parents[1]
SPEAKERS, UTTERANCES, NOISES = 921, 104_014, 20_000
SIZES = [(30_000, 16), (30_000, 64), (1_000_000, 64), (1_000_000, 128)]  # mixtures, shards


def simulate_corpus(folder: Path) -> tuple[Path, Path]:
    """Manifests of converted corpora, whose files nobody opens."""
    rng = np.random.default_rng(0)
    speech, noise = folder / "speech.csv", folder / "noise.csv"
    speakers = 1000 + rng.integers(SPEAKERS, size=UTTERANCES)
    names = [f"{s}-{s + 70}-{i:06d}" for i, s in enumerate(speakers)]
    levels = {"lufs": -26.0, "rms": -26.0, "peak": 0.5, "split": "train"}
    table = pd.DataFrame({"utterance": names, "speaker": speakers, "sex": "F"} | levels)
    table["path"] = [f"speech/1-of-64/train/{name}.wav" for name in names]
    table["samples"] = rng.integers(24_000, 128_000, UTTERANCES)
    table.to_csv(speech, index=False)
    names = [f"noise{i}" for i in range(NOISES)]
    table = pd.DataFrame({"noise": names, "path": [f"noise/{n}.wav" for n in names]} | levels)
    table["samples"] = rng.integers(24_000, 160_000, NOISES)
    table.to_csv(noise, index=False)
    return speech, noise


def time_plan(folder: Path, mixtures: int, shards: int) -> tuple[float, float, float]:
    """Seconds, peak memory in MB and size in MB of drawing a plan, in a fresh process."""
    context = get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_draw, (folder, mixtures, shards))


def _draw(folder: Path, mixtures: int, shards: int) -> tuple[float, float, float]:
    files = [folder / f"plan/{mixtures}/{k}.csv" for k in range(shards)]
    settings = Mixtures(counts={"train": mixtures, "dev": 1, "test": 1})  # type: ignore[arg-type]
    start = time.perf_counter()
    draw_plan(folder / "speech.csv", folder / "noise.csv", files, "train", settings, 0, 8000)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, memory, sum(file.stat().st_size for file in files) / 1e6


def snakemake(folder: Path, mixtures: int, shards: int, data: str, *options: str) -> str:
    """Run Snakemake on the large preset; what it prints."""
    preset = ROOT / "workflow/presets/libri3mix.yaml"
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *options]
    command += ["--cores", "1", "--directory", folder, "--configfile", preset, "--config"]
    command += [f"shards={shards}", f"training={{data: {data}}}"]
    command += [f"mixtures={{counts: {{train: {mixtures}, dev: 3000, test: 3000}}}}"]
    command += ["corpora={kind: local, local: {speech: LibriSpeech, noise: wham_noise}}"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout + done.stderr


def timed(*arguments: object) -> tuple[float, str]:
    """Seconds that Snakemake takes, and what it prints."""
    start = time.perf_counter()
    said = snakemake(*arguments)  # type: ignore[arg-type]
    return time.perf_counter() - start, said


def simulate_run(folder: Path, *size: object) -> None:
    """Leave the folder as a finished run does: every output there, every job on record."""
    rows = snakemake(folder, *size, "--summary").splitlines()  # type: ignore[arg-type]
    names = [row.split("\t")[0] for row in rows if row.startswith("results/")]
    for path in (folder / name for name in names):
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    snakemake(folder, *size, "--touch")  # type: ignore[arg-type]


def main() -> None:
    """Print the tables of docs/scale.md."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_corpus(folder)
        print("| mixtures | shards | seconds | peak memory, MB | size, MB |\n|---|---|---|---|---|")
        for mixtures in (30_000, 100_000, 1_000_000):
            seconds, memory, size = time_plan(folder, mixtures, 64)
            print(f"| {mixtures} | 64 | {seconds:.1f} | {memory:.0f} | {size:.0f} |", flush=True)
    print("\n| mixtures | shards | train split | jobs | dry run, s | nothing to do, s |")
    print("|---|---|---|---|---|---|")
    for mixtures, shards in SIZES:
        for data in ("rendered", "dynamic"):
            with tempfile.TemporaryDirectory() as name:
                size = (Path(name), mixtures, shards, data)
                dry, said = timed(*size, "-n")
                jobs = next(row.split()[1] for row in said.splitlines() if row[:5] == "total")
                simulate_run(*size)
                again, said = timed(*size)
                assert "Nothing to be done" in said, said[-2000:]
            row = (mixtures, shards, data, jobs, f"{dry:.1f}", f"{again:.1f}")
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
