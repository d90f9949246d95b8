"""A network that ships has the figures of the tests of a finished run in its card."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from report.scored import write_run
from systems import path_of

from pipeline.base.errors import PipelineError
from pipeline.models import build
from pipeline.models.card import Card, read_card
from pipeline.models.weights import save_weights
from pipeline.report.shipping import ship
from pipeline.tasks.grammar import ModelKey
from pipeline.weights import SUMS, shipped

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
MIXTURES = 12


@pytest.fixture
def run(tmp_path):
    """The results of a run with one separator, tested on noisy and on clean mixtures."""
    random = np.random.default_rng(0)
    scores = {
        metric: {
            name: random.normal(mean, 1, (MIXTURES, 2))
            for name, mean in (("net/noisy/noisy", 5), ("net/noisy/clean", 9), ("mixture", 0))
        }
        for metric in ("si_sdri", "stoi")
    }
    facts = {
        "noise_snr": np.linspace(-5.5, 2.5, MIXTURES),
        **{f"source_{k}_speaker": [f"{k}-{n % 3}" for n in range(MIXTURES)] for k in (1, 2)},
        **{f"source_{k}_path": "/nowhere.flac" for k in (1, 2)},
        **{f"s{k}_path": "/nowhere.wav" for k in (1, 2)},
    }
    tables = tmp_path / "tables"
    write_run(tables, scores, facts)
    results = tmp_path / "results"
    for name in ("scores", "summary"):
        (results / "scores").mkdir(parents=True, exist_ok=True)
        shutil.copy(tables / f"{name}.csv", results / "scores" / f"{name}.csv")
    (results / "mixtures/test").mkdir(parents=True)
    shutil.copy(tables / "mixtures.csv", results / "mixtures/test/mixtures.csv")
    return results, scores


MODEL = ModelKey.parse(path_of("net/noisy/noisy").rpartition("/")[0])


def save(results, seed=0):
    """Write the weights of the model of a run."""
    torch.manual_seed(seed)
    network = build("conv_tasnet", TINY, 2, 8000)
    facts = {"task": "separate", "steps": 7, "licences": ["Speech: ours"]}
    path = results / f"models/{MODEL.path}/model.safetensors"
    save_weights(path, network, Card("conv_tasnet", TINY, 2, 8000, facts))
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with a network that ships, and the attribution of another one."""
    path = tmp_path / "weights"
    path.mkdir()
    (path / SUMS).write_text("name,sha256\nother,0\n")
    (path / "attribution.txt").write_text("Speech: ours\nNoise: wind (CC0 1.0)\n")
    return path


def test_results_of_another_training_are_refused(run, folder, tmp_path):
    results, again = run[0], tmp_path / "again/results"
    first, second = save(results), save(again, seed=1)
    given = "separator", MODEL, folder / "attribution.txt"
    with pytest.raises(PipelineError) as error:
        ship(*given, [results, again], folder)
    assert str(error.value) == (
        f"{second}: holds other weights than {first}; give results of one training"
    )
    assert not (folder / "separator.safetensors").exists()
    ship(*given, [results], folder)


def test_a_network_ships_with_the_figures_of_its_tests(run, folder):
    results, scores = run
    save(results)
    given = "separator", MODEL, folder / "attribution.txt", [results], folder
    ship(*given)

    card = read_card(folder / "separator.safetensors")
    assert card.training["steps"] == 7
    assert card.training["licences"] == ["Speech: ours", "Noise: wind (CC0 1.0)"]
    noisy, clean = card.figures
    assert (noisy["tested"], clean["tested"]) == ("noisy", "clean")
    assert noisy["speakers"] == 2 and noisy["mixtures"] == MIXTURES
    for test, name in ((noisy, "net/noisy/noisy"), (clean, "net/noisy/clean")):
        for metric, values in scores.items():
            assert test["means"][metric][0] == pytest.approx(values[name].mean(), abs=6e-4)
            assert test["mixture"][metric][0] == pytest.approx(values["mixture"].mean(), abs=6e-4)
    gains = scores["si_sdri"]["net/noisy/noisy"]
    low = noisy["groups"]["input SNR (dB)"]["−6 to −4"]
    assert low[:2] == [3, pytest.approx(gains[:3].mean(), abs=6e-4)]
    speaker = noisy["groups"]["speaker"]["2-1"]
    assert speaker[:2] == [4, pytest.approx(gains[1::3, 1].mean(), abs=6e-4)]
    assert speaker[2] < speaker[1] < speaker[3]

    sums = shipped(folder)
    assert list(sums) == ["other", "separator"] and len(sums["separator"]) == 64
    ship(*given)  # again, in its place
    assert list(shipped(folder)) == list(pd.read_csv(folder / SUMS)["name"]) == list(sums)
