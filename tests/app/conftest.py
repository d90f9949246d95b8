"""Networks with random weights."""

import pytest
import torch

from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.weights import save_weights

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "P": 3, "X": 2, "R": 1}


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Weights files: a `denoiser` that is causal, a `wide` one of 16 kHz, and a `separator`."""
    folder = tmp_path_factory.mktemp("networks")
    paths = {}
    for name, sources, rate, causal in (
        ("denoiser", 1, RATE, True),
        ("wide", 1, 2 * RATE, False),
        ("separator", 2, RATE, False),
    ):
        arguments = TINY | {"causal": causal, "norm": "cLN" if causal else "gLN"}
        torch.manual_seed(0)
        network = build("conv_tasnet", arguments, sources, rate)
        paths[name] = str(folder / f"{name}.safetensors")
        save_weights(paths[name], network, Card("conv_tasnet", arguments, sources, rate))
    return paths
