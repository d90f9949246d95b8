"""Whole-process time and memory of `dts`, beside asteroid's own command.

    python benchmarks/command.py

A recording of `--seconds` at 8 kHz is separated by both commands with the same weights, the
published Conv-TasNet's sizes with random values, on which the time does not depend. Each turn
starts both once, in an order that alternates; the ratio is the median of those of the turns. With
them goes the start of Python with torch alone. Then `dts` separates recordings of five minutes and
of an hour (48 kHz, stereo, mp3) with the network that ships: time and peak memory of the process.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from pipeline import audio
from pipeline.audio.encoding import FORMATS, encoding
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.devices import describe
from pipeline.models.weights import save_weights, start_from

import pipeline.models.asteroid  # isort: skip  # noqa: F401  # the next one without torchaudio
from asteroid.models import ConvTasNet  # isort: skip

RATE, SOURCES = 8000, 2
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
ASTEROID = """
from pipeline.models import asteroid
from asteroid.scripts.asteroid_cli import infer
infer()
"""


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, nargs="*", default=[5.0, 60.0])
    options = parser.parse_args()
    print(describe(torch.device("cpu")), f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _compare(folder, options.turns, options.seconds)
        for minutes in options.minutes:
            _long(folder, minutes)


def _compare(folder: Path, turns: int, seconds: float) -> None:
    theirs, ours = _weights(folder)
    (folder / "a").mkdir()  # asteroid makes no folder
    recording = folder / "recording.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE))
    audio.write(recording, noise.astype(np.float32), RATE)
    given = {
        "asteroid-infer": ["-c", ASTEROID, theirs, "-f", "--files", recording, "-o", folder / "a"],
        "dts separate": [
            *("-m", "pipeline", "separate", recording, "--model", ours),
            *("--overwrite", "-o", folder / "b"),
        ],
        "import torch": ["-c", "import torch"],
    }
    commands = {name: [sys.executable, *map(str, each)] for name, each in given.items()}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(turns + 1):  # the first one fills caches
        for name in list(commands)[:: 1 if turn % 2 else -1]:
            took = _timed(commands[name])
            times[name] += [took] if turn else []
    print(f"{seconds:g} s of audio, medians of {turns} turns:")
    for name, found in times.items():
        print(f"  {name:<16}{statistics.median(found):6.2f} s")
    pairs = zip(times["asteroid-infer"], times["dts separate"], strict=True)
    print(f"  asteroid-infer / dts: {statistics.median(a / b for a, b in pairs):.2f}")


def _weights(folder: Path) -> tuple[Path, Path]:
    """The same network in a file for asteroid and in one for us."""
    torch.manual_seed(0)
    network = ConvTasNet(SOURCES, mask_act="relu", sample_rate=RATE)
    theirs, ours = folder / "theirs.pth", folder / "ours.safetensors"
    content = network.serialize()
    content.pop("infos")  # with an object that its own torch.load refuses
    torch.save(content, theirs)
    twin = build("conv_tasnet", {}, SOURCES, RATE)
    start_from(twin, str(theirs), "conv_tasnet", {}, RATE)
    save_weights(ours, twin, Card("conv_tasnet", {}, SOURCES, RATE))
    return theirs, ours


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _long(folder: Path, minutes: float) -> None:
    recording, rate = folder / f"{minutes:g}.mp3", 48_000
    format, subtype = FORMATS["mp3"]
    draws = np.random.default_rng(0)
    with encoding(recording, rate, 2, format, subtype) as write:
        for _ in range(round(minutes * 6)):
            write(draws.normal(0, 0.1, (10 * rate, 2)).astype(np.float32))
    command = [sys.executable, "-m", "pipeline", "separate", str(recording), "-o", str(folder)]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True
    )
    took = time.perf_counter() - began
    peak = int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024) / 1e6
    print(f"{minutes:g} minutes of mp3, 48 kHz, stereo: {peak:.0f} MB at most, {took:.0f} s")


if __name__ == "__main__":
    main()
