"""Render the same mixtures with LibriMix's script and with ours; compare samples and speed.

    python benchmarks/librimix.py --librimix <checkout> --speech <LibriSpeech/subset> --noise <tr>

Metadata of `--mixtures` random mixtures is made from the given files. Both sides then render all
of LibriMix's folders from it, in turns, each on one core; every file is compared, sample by
sample. Time is counted after imports; ours includes its facts (loudness, overlap, SNRs).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from pipeline.base.files import write_manifest
from pipeline.corpora.names import SPLIT_OF

ROOT = Path(__file__).parents[1]
SUBSET = "bench"  # LibriMix's name for the set

# Each side is a process of its own on one core, which prints the seconds that it took.
THEIRS = """
import functools, os, runpy, sys, time
import pandas, scipy.signal, soundfile, tqdm.contrib.concurrent as concurrent
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
concurrent.process_map = functools.partial(concurrent.process_map, max_workers=1)
sys.argv = sys.argv[1:]
started = time.perf_counter()
runpy.run_path(sys.argv[0], run_name="__main__")
print("seconds", time.perf_counter() - started)
"""
OURS = """
import os, sys, time
from pathlib import Path
from pipeline.config import Mixtures
from pipeline.base.files import write_manifest
from pipeline.mixtures.librimix import read_metadata
from pipeline.mixtures.metadata import write_metadata
from pipeline.mixtures.render import render_shard
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
csv, speech, noise, out, split = map(Path, sys.argv[1:6])
speakers, rate, mode = int(sys.argv[6]), int(sys.argv[7]), sys.argv[8]
started = time.perf_counter()
plan = read_metadata([csv], speech, noise, speakers, rate, mode)
write_manifest(out / "plan.csv", plan)
settings = Mixtures(kind="librimix", num_speakers=speakers, mode=mode, mix_single=True)
render_shard(out / "plan.csv", out / split, rate, settings)
write_metadata(out / split / "index.csv", out / "metadata", str(split), speech, noise, 16000)
print("seconds", time.perf_counter() - started)
"""


def main() -> None:
    """Measure, print a line for each run, then the figures of each rate and mode."""
    args = parse_arguments()
    with tempfile.TemporaryDirectory(dir=args.scratch) as name:
        scratch = Path(name)
        make_inputs(scratch, args)
        for rate, mode in product(args.rates, args.modes):
            ours, theirs, difference, files = compare(scratch, args, rate, mode)
            ratios = np.array(theirs) / np.array(ours)
            print(
                f"{rate} Hz {mode}: largest difference {difference} of 32768 in {files} files;"
                f" ours {args.mixtures / np.median(ours):.1f} mixtures/s,"
                f" theirs {args.mixtures / np.median(theirs):.1f};"
                f" ratio {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})",
                flush=True,
            )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--librimix", type=Path, required=True, help="checkout of LibriMix")
    parser.add_argument("--speech", type=Path, required=True, help="a subset of LibriSpeech")
    parser.add_argument("--noise", type=Path, required=True, help="WHAM!'s tr, cv or tt")
    parser.add_argument("--speakers", type=int, default=3)
    parser.add_argument("--mixtures", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rates", type=int, nargs="+", default=[8000, 16000])
    parser.add_argument("--modes", nargs="+", default=["min", "max"])
    parser.add_argument("--scratch", type=Path, help="where temporary files go")
    return parser.parse_args()


def make_inputs(scratch: Path, args: argparse.Namespace) -> None:
    """Write manifests of the files as our scan makes them, and metadata of random mixtures."""
    utterances = sorted(args.speech.resolve().glob("*/*/*.flac"))
    noises = sorted(args.noise.resolve().glob("*.wav"))
    speech = pd.DataFrame({"utterance": [p.stem for p in utterances], "path": utterances})
    speech["speaker"], speech["sex"] = [p.parts[-3] for p in utterances], "F"
    write_manifest(scratch / "speech.csv", speech)
    held = pd.DataFrame({"noise": [p.stem for p in noises], "path": noises})
    held["split"] = SPLIT_OF[args.noise.name]
    write_manifest(scratch / "noise.csv", held)
    rng = np.random.default_rng(0)
    rows = [draw(rng, utterances, noises, args.speakers) for _ in range(args.mixtures)]
    table = pd.DataFrame(rows)
    table.insert(0, "mixture_ID", [f"mixture-{i:05d}" for i in range(len(rows))])
    path = metadata_of(scratch, args)
    path.parent.mkdir()
    table.to_csv(path, index=False)


def metadata_of(scratch: Path, args: argparse.Namespace) -> Path:
    """Return the path at which LibriMix's script expects the metadata of the set."""
    return scratch / f"metadata/libri{args.speakers}mix_{SUBSET}.csv"


def draw(
    rng: np.random.Generator, utterances: list[Path], noises: list[Path], speakers: int
) -> dict[str, object]:
    """Draw one row of LibriMix's metadata, without its name."""
    chosen = [utterances[i] for i in rng.choice(len(utterances), speakers, replace=False)]
    row: dict[str, object] = {}
    for k, path in enumerate(chosen, 1):
        row |= {f"source_{k}_path": "/".join(path.parts[-4:])}
        row |= {f"source_{k}_gain": rng.uniform(0.2, 1.0)}
    noise = noises[rng.integers(len(noises))]
    return row | {"noise_path": "/".join(noise.parts[-2:]), "noise_gain": rng.uniform(0.1, 1.0)}


def compare(
    scratch: Path, args: argparse.Namespace, rate: int, mode: str
) -> tuple[list[float], list[float], int, int]:
    """Render with both in turns; return seconds of ours and theirs, largest difference, files."""
    theirs_out, ours_out = scratch / "theirs", scratch / "ours"
    metadata, manifests = (
        metadata_of(scratch, args),
        [scratch / "speech.csv", scratch / "noise.csv"],
    )
    options = {
        "librispeech_dir": args.speech.resolve().parent,
        "wham_dir": args.noise.resolve().parent,
        "metadata_dir": metadata.parent,
        "librimix_outdir": theirs_out,
        "n_src": args.speakers,
        "modes": mode,
        "freqs": f"{rate // 1000}k",
    }
    script = args.librimix / "scripts/create_librimix_from_metadata.py"
    flags = [part for key, value in options.items() for part in (f"--{key}", value)]
    given = [metadata, *manifests, ours_out, SUBSET, args.speakers, rate, mode]
    ours, theirs = [], []
    for _ in range(args.repeats):
        shutil.rmtree(theirs_out, ignore_errors=True)
        shutil.rmtree(ours_out, ignore_errors=True)
        theirs.append(run(THEIRS, [script, *flags]))
        ours.append(run(OURS, given))
        print(f"  {rate} Hz {mode}: ours {ours[-1]:.2f} s, theirs {theirs[-1]:.2f} s", flush=True)
    folder = theirs_out / f"Libri{args.speakers}Mix/wav{rate // 1000}k/{mode}/{SUBSET}"
    return ours, theirs, *differences(folder, ours_out / SUBSET)


def run(program: str, arguments: list[object]) -> float:
    """Run a program in a new interpreter; return the seconds that it prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


def differences(theirs: Path, ours: Path) -> tuple[int, int]:
    """Return the largest difference of 16-bit samples of two sets of files, and their number."""
    files = sorted(path.relative_to(theirs) for path in theirs.glob("*/*.wav"))
    if files != sorted(path.relative_to(ours) for path in ours.glob("*/*.wav")):
        sys.exit(f"{theirs} and {ours} do not hold the same files")
    return max(difference(theirs / name, ours / name) for name in files), len(files)


def difference(first: Path, second: Path) -> int:
    """Return the largest difference of two 16-bit files; the full range if shapes differ."""
    (a, rate_a), (b, rate_b) = sf.read(first, dtype="int16"), sf.read(second, dtype="int16")
    if rate_a != rate_b or len(a) != len(b):
        return 65536
    return int(np.abs(a.astype(int) - b).max())


if __name__ == "__main__":
    main()
