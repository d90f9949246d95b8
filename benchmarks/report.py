"""Time the report of a large run: `python benchmarks/report.py results`, results of a demo.

The demo's tables are enlarged to 3000 test mixtures, and to 12 systems by a second denoiser whose
output is the first one's; audio, weights and histories are the demo's own. Scores are the demo's
with noise of 1 dB (or 1 % of the value) on top. Summary and comparisons are computed by the real
functions and not timed. Prints a row of the table in docs/scale.md.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.aggregate import compare, summarise
from pipeline.report.inputs import ReportInputs
from pipeline.report.names import model_label
from pipeline.report.page import write_report
from pipeline.report.parcel import write_single_file, write_zip
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.tasks.grammar import NOISY, Condition, ModelKey, System

MIXTURES = 3000
NET, FIRST, SECOND = "conv_tasnet", "denoised-conv_tasnet", "denoised-second"
TRAINED, TESTED = ("clean", "noisy", FIRST), ("clean", "noisy", FIRST, SECOND)


def main() -> None:
    """Print sizes and seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="results folder of a finished demo")
    demo = parser.parse_args().results
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = enlarge(demo, folder)
        index = folder / "report" / "index.html"
        start = time.perf_counter()
        write_report(inputs, index)
        written = time.perf_counter()
        write_zip(index.parent, folder / "report.zip")
        write_single_file(index, folder / "report.html")
        parcelled = time.perf_counter()
        sizes = [sum(f.stat().st_size for f in index.parent.rglob("*") if f.is_file())]
        sizes += [(folder / name).stat().st_size for name in ("report.zip", "report.html")]
    print(
        "| mixtures | systems | page, s | ZIP and single file, s | folder, ZIP, single file, MB |"
    )
    print("|---|---|---|---|---|")
    megabytes = ", ".join(f"{size / 1e6:.1f}" for size in sizes)
    seconds = f"{written - start:.1f} | {parcelled - written:.1f}"
    print(f"| {MIXTURES} | {len(TRAINED) * len(TESTED)} | {seconds} | {megabytes} |")


def enlarge(demo: Path, folder: Path) -> ReportInputs:
    """Write the tables of a large run; the audio stays where it is."""
    rng = np.random.default_rng(0)
    mixtures = read_manifest(demo / "mixtures/test/mixtures.csv")
    copies = -(-MIXTURES // len(mixtures))
    write_manifest(folder / "mixtures.csv", repeated(mixtures, copies)[:MIXTURES])
    scores = as_twelve(read_manifest(demo / "scores/scores.csv"))
    scores = repeated(scores, copies)
    scores = scores[scores["mixture_id"].isin(read_manifest(folder / "mixtures.csv")["mixture_id"])]
    noise = rng.normal(size=len(scores))
    scores["value"] += noise * np.where(scores["value"].abs() < 5, 0.01, 1.0)
    write_manifest(folder / "scores.csv", scores)
    summarise(folder / "scores.csv", folder / "summary.csv")
    compare(folder / "scores.csv", folder / "comparisons.csv")
    latency = read_manifest(demo / "estimates/latency.csv")
    write_manifest(folder / "latency.csv", repeated(latency, copies))
    models = [ModelKey(DENOISE.name, NET, NOISY)]
    models += [ModelKey(SEPARATE.name, NET, Condition.parse(trained)) for trained in TRAINED]
    systems = [System(models[0], NOISY)]
    systems += [System(m, Condition.parse(tested)) for m in models[1:] for tested in TESTED]
    paths = {model_label(model.path): demo / "models" / model.path for model in models}
    return ReportInputs(
        **{n: folder / f"{n}.csv" for n in ("mixtures", "scores", "summary", "comparisons")},
        answer=demo / "scores/answer.json",
        latency=folder / "latency.csv",
        latency_summary=demo / "estimates/latency_summary.csv",
        throughput=demo / "estimates/throughput.csv",
        histories={name: path / "history.csv" for name, path in paths.items()},
        weights={name: path / "model.safetensors" for name, path in paths.items()},
        estimates={each.path: estimates(demo, each, folder, copies) for each in systems},
        config={"report": {"examples": 4}},
        benchmarks=demo / "benchmarks",
        run=demo / "logs/run.json",
    )


def repeated(table: pd.DataFrame, copies: int) -> pd.DataFrame:
    """Return `copies` copies of the rows, each under names of its own."""
    parts = [table.assign(mixture_id=table["mixture_id"] + f"-{k:03d}") for k in range(copies)]
    return pd.concat(parts, ignore_index=True)


def as_twelve(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, with those of the first denoiser's output repeated for the second."""
    first = scores[scores["tested"] == FIRST]
    return pd.concat([scores, first.assign(tested=SECOND)], ignore_index=True)


def estimates(demo: Path, system: System, folder: Path, copies: int) -> Path:
    """Write the manifest of a system's estimates for the repeated mixtures; return its path."""
    own = system.path.removesuffix(SECOND) + FIRST if system.path.endswith(SECOND) else system.path
    table = read_manifest(demo / "estimates" / own / "test/estimates.csv")
    path = folder / "estimates" / system.path / "estimates.csv"
    write_manifest(path, repeated(table, copies))
    return path


if __name__ == "__main__":
    main()
