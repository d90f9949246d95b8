"""A rendered set of mixtures of noise, and untrained weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import audio
from pipeline.base.files import write_manifest
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.weights import save_weights

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}


@pytest.fixture(scope="session")
def mixtures(tmp_path_factory) -> Path:
    """Five mixtures of two sources, of different lengths."""
    folder, rng, rows = tmp_path_factory.mktemp("mixtures"), np.random.default_rng(0), []
    for number, length in enumerate([2000, 2501, 3000, 4000, 1800]):
        row = {"mixture_id": f"test-{number:04d}", "length": length}
        parts = {name: 0.05 * rng.standard_normal(length) for name in ("s1", "s2", "noise")}
        clean = parts["s1"] + parts["s2"]
        signals = parts | {"mix_clean": clean, "mix_both": clean + parts["noise"]}
        for name, samples in signals.items():
            row[f"{name}_path"] = folder / name / f"{number}.wav"
            audio.write(row[f"{name}_path"], samples.astype(np.float32), RATE)
        rows.append(row | {"source_1_path": "/raw/a.wav", "source_2_path": "/raw/b.wav"})
    write_manifest(folder / "mixtures.csv", pd.DataFrame(rows))
    return folder / "mixtures.csv"


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """`weights(sources)` writes a file of untrained weights; `spoil` is added to all of them."""
    folder = tmp_path_factory.mktemp("weights")

    def write(sources, spoil=0.0):
        torch.manual_seed(sources)
        network = build("conv_tasnet", TINY, sources, RATE)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += spoil
        path = folder / f"{sources}-{spoil}.safetensors"
        save_weights(path, network, Card("conv_tasnet", TINY, sources, RATE))
        return path

    return write
