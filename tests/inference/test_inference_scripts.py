"""The inference script gives each system the mixtures of its condition."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scripted import given, run_scripts

from pipeline import audio
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Inference
from pipeline.models.weights import load_network

pytestmark = pytest.mark.slow  # jobs of their own, with torch each

RATE = 8000
PARAMS = {"sample_rate": RATE, "timed": True, "inference": Inference().model_dump(mode="json")}
CONDITIONS = {"clean": "mix_clean_path", "noisy": "mix_both_path", "denoised-x": "noise_path"}
OUT = "results/estimates"


@pytest.fixture(scope="module")
def written(mixtures, weights, tmp_path_factory) -> Path:
    """Estimates of a separator in each condition and of a denoiser; the noise is "denoised"."""
    folder, table = tmp_path_factory.mktemp("scripts"), read_manifest(mixtures)
    denoised = table[["mixture_id"]].assign(mix_clean_path=table["noise_path"])
    write_manifest(folder / "denoised.csv", pd.DataFrame(denoised))
    jobs = []
    for task, tested in [("denoise", "noisy"), *(("separate", tested) for tested in CONDITIONS)]:
        needed = ["denoised.csv"] if tested.startswith("denoised") else []
        model = weights(1 if task == "denoise" else 2)
        files = {"mixtures": [mixtures], "denoised": needed, "weights": [model]}
        names = {"task": task, "tested": tested, "scatteritem": "2-of-2"}
        jobs.append(("apply", given(files, {"out": f"{OUT}/{task}/{tested}"}, PARAMS, names)))
    files = {"mixtures": [mixtures], "denoised": [], "weights": [weights(2), weights(1)]}
    names = {"task": "separate", "tested": "noisy--denoised-x", "scatteritem": "2-of-2"}
    jobs.append(("apply", given(files, {"out": f"{OUT}/after"}, PARAMS, names)))
    files = {"mixtures": [mixtures], "denoised": [], "weights": [weights(1)]}
    wet = PARAMS | {"inference": PARAMS["inference"] | {"dry": 0.25}}
    names = {"task": "denoise", "tested": "noisy", "scatteritem": "2-of-2"}
    jobs.append(("apply", given(files, {"out": f"{OUT}/dry"}, wet, names)))
    run_scripts(folder, *jobs)
    return folder / OUT


def run_directly(weights, sources, path):
    mixture = torch.from_numpy(audio.read_at(path, RATE))[None]
    with torch.inference_mode():
        return load_network(weights, sources, RATE)(mixture)[0].numpy()


@pytest.mark.parametrize("tested", CONDITIONS)
def test_separate_gives_the_network_the_mixture_that_is_tested(mixtures, weights, written, tested):
    estimates = read_manifest(written / "separate" / tested / "estimates.csv")
    inputs = read_manifest(mixtures)[CONDITIONS[tested]][2:]  # the second shard of two
    assert len(estimates) == len(inputs) == 3
    for row, path in zip(estimates.to_dict("records"), inputs, strict=True):
        expected = run_directly(weights(2), 2, path)
        for k in (1, 2):
            found = audio.read_at(row[f"s{k}_path"], RATE)
            np.testing.assert_allclose(found, expected[k - 1], atol=1e-6)


def test_denoise_gives_the_network_the_noisy_mixture(mixtures, weights, written):
    estimates = read_manifest(written / "denoise/noisy/estimates.csv")["mix_clean_path"]
    for found, path in zip(estimates, read_manifest(mixtures)["mix_both_path"][2:], strict=True):
        [expected] = run_directly(weights(1), 1, path)
        np.testing.assert_allclose(audio.read_at(found, RATE), expected, atol=1e-6)


def test_a_share_of_the_mixture_is_added_to_the_output_of_a_denoiser(mixtures, written):
    denoised, blended = (
        read_manifest(written / name / "estimates.csv")["mix_clean_path"]
        for name in ("denoise/noisy", "dry")
    )
    noisy = read_manifest(mixtures)["mix_both_path"][2:]
    for paths in zip(noisy, denoised, blended, strict=True):
        mixture, estimate, found = (audio.read_at(path, RATE) for path in paths)
        np.testing.assert_allclose(found, 0.75 * estimate + 0.25 * mixture, atol=1e-6)


def test_what_is_separated_is_denoised_where_the_system_says_so(mixtures, weights, written):
    estimates = read_manifest(written / "after/estimates.csv")
    denoiser = load_network(weights(1), 1, RATE)
    for row, path in zip(
        estimates.to_dict("records"), read_manifest(mixtures)["mix_both_path"][2:], strict=True
    ):
        mixture = audio.read_at(path, RATE)
        for k, separated in enumerate(run_directly(weights(2), 2, path), 1):
            scaled = separated * np.dot(mixture, separated) / np.dot(separated, separated)
            with torch.inference_mode():
                expected = denoiser(torch.from_numpy(scaled)[None])[0, 0].numpy()
            found = audio.read_at(row[f"s{k}_path"], RATE)
            np.testing.assert_allclose(found, expected, atol=1e-6)
