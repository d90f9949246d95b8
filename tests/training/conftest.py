"""Rendered sets of synthetic sources, and small trainings on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from pipeline import audio
from pipeline.base.files import write_manifest
from pipeline.config import Machine, Mixtures, Training
from pipeline.tasks import SEPARATE
from pipeline.training.data import examples
from pipeline.training.dynamic import fresh_mixtures
from pipeline.training.job import Job
from pipeline.training.train import train

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
FRESH = Mixtures(num_speakers=2, min_seconds=0.5, counts={"train": 22, "dev": 1, "test": 1})


def voices(rng, time):
    """A low and a high band of noise, switched on and off, and white noise."""
    noise = rng.standard_normal((3, time))
    low, high = lfilter([0.1], [1, -0.9], noise[0]), lfilter([0.1], [1, 0.9], noise[1])
    gates = np.repeat(rng.random((2, 10)) < 0.6, -(-time // 10), axis=1)[:, :time]
    return low * (gates[0] + 0.1), high * (gates[1] + 0.1), 0.2 * noise[2]


def write_mixtures(folder: Path, seed: int, lengths: list[int]) -> Path:
    """Write a rendered set with the columns of `pipeline.mixtures.render`."""
    rows, rng = [], np.random.default_rng(seed)
    for number, length in enumerate(lengths):
        s1, s2, noise = voices(rng, length)
        clean = s1 + s2
        signals = {"mix_both": clean + noise, "mix_clean": clean, "s1": s1, "s2": s2}
        signals["noise"] = noise
        row = {"mixture_id": f"{folder.name}-{number:04d}", "length": length}
        for name, signal in signals.items():
            row[f"{name}_path"] = folder / name / f"{row['mixture_id']}.wav"
            row["digest"] = audio.write(row[f"{name}_path"], signal.astype(np.float32), RATE)
        rows.append(row | {"source_1_path": "/raw/a.wav", "source_2_path": "/raw/b.wav"})
    write_manifest(folder / "mixtures.csv", pd.DataFrame(rows))
    return folder / "mixtures.csv"


class Attempt:
    """One training with its files below a folder; `run()` starts or resumes it."""

    def __init__(
        self,
        folder: Path,
        sets: tuple[Path, Path],
        corpora,
        task=SEPARATE,
        front=None,
        condition="noisy",
        model=("conv_tasnet", TINY),
        **settings,
    ):
        chosen = {"segment_seconds": 0.5, "batch_size": 4, "epochs": 3, "learning_rate": 0.01}
        training = Training(**(chosen | settings))
        mixtures = FRESH.model_dump(mode="json") if training.data == "dynamic" else None
        chosen = training.model_dump(mode="json")
        self.job = Job(task.name, condition, *model, None, chosen, 7, mixtures)
        self.folder, self.state = folder, folder / "state"
        self.weights, self.curve = folder / "weights.safetensors", folder / "history.csv"
        self.examples = [examples(task, path, condition, None, RATE) for path in sets]
        if mixtures:
            self.examples[0] = fresh_mixtures(task, *corpora, FRESH, "noisy", front, RATE)

    def arguments(self, devices=1, **machine) -> tuple:
        """The arguments of `train`."""
        options = {"device": "cpu", "save_seconds": 1e6} | machine
        files = self.weights, self.curve, self.state
        return self.job, Machine(**options), *self.examples, *files, ["Corpus: CC BY 4.0"], devices

    def run(self, **machine) -> "Attempt":
        train(*self.arguments(**machine))
        return self

    @property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.curve)


@pytest.fixture(scope="session")
def write_set():
    """`write_set(folder, seed, lengths)` gives the path of a rendered set's table."""
    return write_mixtures


@pytest.fixture(scope="session")
def sets(tmp_path_factory) -> tuple[Path, Path]:
    """Train and dev: 22 segments of half a second (6 steps of 4), and two recordings."""
    folder = tmp_path_factory.mktemp("rendered")
    lengths = [8000] * 8 + [8500, 12000]
    return write_mixtures(folder / "train", 1, lengths), write_mixtures(
        folder / "dev", 2, [8000, 9001]
    )


@pytest.fixture(scope="session")
def attempt(sets, converted):
    """`attempt(folder, **settings)`: a small training that has not run yet."""
    corpora = converted.speech, converted.noise
    return lambda folder, **settings: Attempt(folder, sets, corpora, **settings)
