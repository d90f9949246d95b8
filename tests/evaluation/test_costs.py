"""What systems cost, from what their models tell of their trainings."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.costs import cost_of, with_costs, write_costs
from pipeline.models.card import FORMAT, Card
from pipeline.tasks.grammar import ModelKey, System

DENOISER, DIRECT = "denoise/net/noisy/0", "separate/conv/noisy/0"
CASCADE, CLEAN = "separate/conv/denoised-net/0", "separate/conv/clean/0"
TOLD = {
    DENOISER: {"parameters": 100, "multiply_adds": 1000.0, "steps": 30, "seconds": 60.0},
    DIRECT: {"parameters": 120, "multiply_adds": 1200.0, "steps": 20, "seconds": 120.0},
    CASCADE: {"parameters": 120, "multiply_adds": 1200.0, "steps": 20, "seconds": 180.0},
    CLEAN: {"parameters": 120, "multiply_adds": 1200.0, "steps": 20, "seconds": 240.0},
}
for path, told in TOLD.items():
    told |= {"audio_seconds": 12.0 * told["steps"], "best": {"dev_si_sdri": 1.5}}
    told["denoised_seconds"] = 500.0 if path == CASCADE else 0.0
FACTS = {ModelKey.parse(path): told for path, told in TOLD.items()}

OF_DENOISER, OF_SEPARATOR = 3 * 1000 * 360.0, 3 * 1200 * 240.0


def cost(path, **changed):
    facts = {key: told | changed for key, told in FACTS.items()}
    return cost_of(System.parse(path), facts)


def test_a_direct_system_costs_its_network():
    found = cost(f"{DIRECT}/noisy")
    assert found == {
        **{"parameters": 120, "multiply_adds": 1200, "steps": 20, "minutes": 2},
        **{"training_compute": OF_SEPARATOR, "dev_si_sdri": 1.5, "joint": False},
    }


def test_a_cascade_costs_its_denoiser_too():
    found = cost(f"{CASCADE}/denoised-net")
    assert (found["parameters"], found["multiply_adds"]) == (220, 2200)
    assert (found["steps"], found["minutes"]) == (50, 4)
    # The separator's mixtures went through the frozen denoiser once.
    assert found["training_compute"] == OF_DENOISER + OF_SEPARATOR + 1000 * 500


def test_what_a_denoiser_made_in_the_test_alone_was_not_trained_on():
    found = cost(f"{CLEAN}/denoised-net")
    assert (found["parameters"], found["minutes"]) == (220, 5)
    assert found["training_compute"] == OF_DENOISER + OF_SEPARATOR


def test_a_denoiser_of_the_training_alone_is_not_passed():
    found = cost(f"{CASCADE}/noisy")
    assert (found["parameters"], found["multiply_adds"], found["steps"]) == (120, 1200, 50)
    assert found["training_compute"] == OF_DENOISER + OF_SEPARATOR + 1000 * 500


def test_a_denoiser_behind_a_separator_is_passed_once_a_source():
    found = cost(f"{DIRECT}/noisy--denoised-net", sources=3)
    assert found["parameters"] == 100 + 120
    assert found["multiply_adds"] == 1200 + 3 * 1000
    assert (found["steps"], found["minutes"]) == (50, 3)
    assert found["training_compute"] == OF_DENOISER + OF_SEPARATOR
    # Trained on its output and denoised after it: one training.
    found = cost(f"{CASCADE}/noisy--denoised-net", sources=2)
    assert (found["multiply_adds"], found["steps"]) == (1200 + 2 * 1000, 50)
    assert found["training_compute"] == OF_DENOISER + OF_SEPARATOR + 1000 * 500
    assert np.isnan(cost(f"{DIRECT}/noisy--denoised-net")["multiply_adds"])  # of how many sources?


def test_a_share_of_the_mixture_costs_nothing():
    plain, shared = (
        cost(f"{CASCADE}/{tested}") for tested in ("denoised-net", "denoised-net-dry20")
    )
    assert plain == shared


def test_a_training_that_goes_on_from_another_of_the_run_costs_both():
    start = {"init_from": "results/models/denoise/net/noisy/0/model.safetensors"}
    direct = ModelKey.parse(DIRECT)
    found = cost_of(System.parse(f"{DIRECT}/noisy"), FACTS | {direct: FACTS[direct] | start})
    assert found["training_compute"] == OF_SEPARATOR + OF_DENOISER
    assert (found["parameters"], found["steps"], found["minutes"]) == (120, 50, 3)


def test_what_is_not_told_is_not_known():
    assert np.isnan(cost(f"{DIRECT}/noisy", multiply_adds=np.nan)["training_compute"])
    assert np.isnan(cost(f"{DIRECT}/noisy", init_from="x.safetensors")["training_compute"])
    assert cost(f"{DIRECT}/noisy", init_from=None)["training_compute"] == OF_SEPARATOR
    published = cost(f"{DIRECT}/noisy", published=True)
    assert (
        published["parameters"] == 120
        and np.isnan([published["steps"], published["minutes"]]).all()
    )


def pair(a, b):
    names = ("name", "trained", "run", "tested")
    columns = ["task", *(f"{name}_{side}" for side in "ab" for name in names)]
    return dict(zip(columns, ("separate", *a, *b), strict=True))


@pytest.mark.parametrize(
    ("parameters", "compute", "equal_size", "equal_compute"),
    [(100, 100, True, True), (95, 97, True, True), (94, 96, False, False), (105.2, 99, True, True)],
)
def test_equal_is_what_differs_by_little(parameters, compute, equal_size, equal_compute):
    cascade, direct = ("c", "denoised-net", 0, "denoised-net"), ("d", "noisy", 0, "noisy")
    names = ["task", "name", "trained", "run", "tested"]
    rows = [
        ("separate", *cascade, 100, 1, 1, 100, 1),
        ("separate", *direct, parameters, 1, 1, compute, 1),
    ]
    costs = ["parameters", "multiply_adds", "steps", "training_compute", "minutes"]
    table = with_costs(
        pd.DataFrame([pair(cascade, direct)]), pd.DataFrame(rows, columns=names + costs)
    )
    [row] = table.to_dict("records")
    assert (row["equal_size"], row["equal_compute"]) == (equal_size, equal_compute)
    assert (row["parameters_a"], row["training_compute_b"]) == (100, compute)


def test_the_table_has_every_system_and_training(tmp_path):
    weights = []
    for path, told in TOLD.items():
        file = tmp_path / "results/models" / path / "model.safetensors"
        file.parent.mkdir(parents=True)
        card = json.dumps(asdict(Card("conv_tasnet", {}, 3, 8000, told)))
        save_file({"w": np.zeros(1, np.float32)}, file, {"format": FORMAT, "card": card})
        weights.append(file)
    systems = [f"{DENOISER}/noisy", f"{DIRECT}/noisy", f"{CASCADE}/denoised-net"]
    systems += [f"{DIRECT}/noisy--denoised-net"]
    free = [f"separate/{name}/untrained/0/noisy" for name in ("mixture", "ideal_mask")]
    columns = [System.parse(path).columns for path in [*free, *systems]]
    write_manifest(tmp_path / "scores.csv", pd.DataFrame(columns * 2))
    write_costs(tmp_path / "scores.csv", weights, tmp_path / "costs.csv")
    table = read_manifest(tmp_path / "costs.csv")
    assert table["parameters"].tolist() == [100, 120, 220, 220]
    assert table["multiply_adds"].tolist() == [1000, 1200, 2200, 1200 + 3 * 1000]
    assert table["task"].tolist() == ["denoise", "separate", "separate", "separate"]
