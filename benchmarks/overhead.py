"""The time that a run spends outside of its stages: starting processes, and Snakemake.

    python benchmarks/overhead.py results

The folder is that of a finished run, made without interruption and not copied since: Snakemake's
records in `benchmarks/` contain the duration of each job, and their file times its end. The start
of a job (Python, Snakemake's preamble of a script, the script's imports) is measured here, on an
idle machine, with one process per core. Snakemake's own start is measured in a run without any
work, and not counted. The program prints two tables in Markdown.
"""

import argparse
import ast
import json
import os
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd

ROOT = Path(__file__).parents[1]
RULE = re.compile(r'rule (\w+):.*?"../scripts/(\w+)\.py"', re.DOTALL)
PREAMBLE = "import pickle\nfrom snakemake.logging import logger\n"  # Snakemake's, of a script
# What torch takes by itself; its optimisers load its compiler too.
TORCH = {"": "pass", "torch": "import torch", "torch._dynamo": "import torch, torch._dynamo"}


class Start(NamedTuple):
    """Seconds of the start of a process: wall time, processor time, and the part for torch."""

    wall: float
    cpu: float
    torch: float


class Job(NamedTuple):
    """A finished job: its rule, and when it began and ended, in seconds since 1970."""

    rule: str
    began: float
    ended: float


def main() -> None:
    """Measure the starts, then print them and their total in the run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="results/ of a finished run")
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args()
    jobs, cores = read_jobs(options.results), os.cpu_count() or 1
    starts = measure_starts(options.passes, cores)
    print("| script | starts in, s | CPU, s | besides torch, s |\n|---|---|---|---|")
    for script, start in starts.items():
        print(f"| {script} | {start.wall:.2f} | {start.cpu:.2f} | {start.cpu - start.torch:.2f} |")
    print(f"\n| the run, on {cores} cores | s | share |\n|---|---|---|")
    for name, seconds, whole in summarise(options.results, jobs, starts, cores):
        print(f"| {name} | {seconds:.1f} | {100 * seconds / whole:.1f} % |")


def read_jobs(results: Path) -> list[Job]:
    """Return all jobs of the run."""
    jobs = []
    for path in (results / "benchmarks").glob("*/*.tsv"):
        ended = path.stat().st_mtime
        seconds = float(pd.read_csv(path, sep="\t")["s"].iloc[0])
        jobs.append(Job(path.parent.name, ended - seconds, ended))
    return jobs


def summarise(
    results: Path, jobs: list[Job], starts: dict[str, Start], cores: int
) -> list[tuple[str, float, float]]:
    """Return rows of times: name, seconds, and the seconds of which they are a part."""
    rules = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
    script = dict(RULE.findall(rules))
    facts = json.loads((results / "logs/run.json").read_text(encoding="utf-8"))
    began = datetime.fromisoformat(facts["started"]).timestamp()
    wall = max(job.ended for job in jobs) - min(began, *(job.began for job in jobs))
    whole = sum(job.ended - job.began for job in jobs)
    starting = sum(starts[script[job.rule]].wall for job in jobs)
    return [
        ("wall time", wall, wall),
        ("of it no job running", wall - busy(jobs), wall),
        (f"{len(jobs)} jobs together, of wall time x cores", whole, wall * cores),
        ("of them starting", starting, whole),
        ("of them the stages' work", whole - starting, whole),
    ]


def busy(jobs: list[Job]) -> float:
    """Return the seconds in which at least one job ran."""
    seconds, until = 0.0, 0.0
    for job in sorted(jobs, key=lambda job: job.began):
        seconds += max(0.0, job.ended - max(until, job.began))
        until = max(until, job.ended)
    return seconds


def measure_starts(passes: int, cores: int) -> dict[str, Start]:
    """Return the start time of each script, measured in turns with torch alone: medians."""
    scripts = {path.stem: imports_of(path) for path in sorted(ROOT.glob("workflow/scripts/*.py"))}
    codes = TORCH | scripts
    found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in codes}
    with ThreadPoolExecutor(cores) as pool:
        for number in range(passes + 1):
            for name, measured in zip(codes, pool.map(run, codes.values()), strict=True):
                if number:  # the first one fills the page cache
                    found[name].append(measured)
    wall, cpu = (
        {name: statistics.median(times[kind] for times in all_) for name, all_ in found.items()}
        for kind in (0, 1)
    )
    return {n: Start(wall[n], cpu[n], cpu[found[n][0][2]] - cpu[""]) for n in scripts}


def imports_of(script: Path) -> str:
    """Return the imports of a script before it calls its stage."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return PREAMBLE + "\n".join(map(ast.unparse, nodes))


def run(code: str) -> tuple[float, float, str]:
    """Return wall and processor time of a fresh Python, and the parts of torch that it loaded."""
    tell = "import resource, sys\nused = resource.getrusage(resource.RUSAGE_SELF)\n"
    tell += "torch = [name for name in ('torch._dynamo', 'torch') if name in sys.modules]\n"
    tell += "print(used.ru_utime + used.ru_stime, *torch[:1])"
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", f"{code}\n{tell}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    cpu, *torch = done.stdout.split()
    return seconds, float(cpu), next(iter(torch), "")


if __name__ == "__main__":
    main()
