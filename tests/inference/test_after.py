"""A separator with a denoiser behind it, over the mixtures of a shard."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest
from pipeline.config import Inference, Machine
from pipeline.inference.apply import Setting
from pipeline.inference.estimator import load_estimator
from pipeline.inference.run import infer_shard
from pipeline.models.denoised_after import scaled_to
from pipeline.models.signals import Inputs
from pipeline.models.weights import load_network
from pipeline.tasks import SEPARATE

RATE = 8000
SETTING = Setting(RATE, Machine(device="cpu"), Inference(warmup=1))


def separated(mixtures, weights, out, denoiser, setting=SETTING):
    args = SEPARATE, mixtures, "noisy", None, weights, out, "1-of-1", setting
    infer_shard(*args, denoiser)
    return read_manifest(out / "estimates.csv")


def read(path):
    return audio.read_at(path, RATE)


def both(weights, path, share=0.0):
    """What both networks make of a mixture, one after the other."""
    mixture = torch.from_numpy(read(path))[None]
    with torch.inference_mode():
        sources = scaled_to(mixture, load_network(weights(2), 2, RATE)(mixture))
        outputs = load_network(weights(1), 1, RATE)(sources[0])[:, 0]
    return outputs.lerp(sources[0], share).numpy()


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_each_estimate_is_denoised_with_the_share_of_its_denoiser(
    mixtures, weights, tmp_path, share
):
    setting = replace(SETTING, dry=share)
    estimates = separated(mixtures, weights(2), tmp_path, weights(1), setting)
    assert list(estimates) == ["mixture_id", "s1_path", "s2_path", "digest"]
    inputs = read_manifest(mixtures)["mix_both_path"]
    for row, path in zip(estimates.to_dict("records"), inputs, strict=True):
        found = np.stack([read(row[f"s{k}_path"]) for k in (1, 2)])
        np.testing.assert_allclose(found, both(weights, path, share), atol=1e-6)


def test_the_time_of_both_networks_is_that_of_the_system(mixtures, weights, tmp_path):
    class Slow(torch.nn.Module):
        def forward(self, mixture):
            clock.append(mixture.shape)
            return mixture[:, None]

    clock = []
    model = load_estimator(weights(2), 2, RATE, torch.device("cpu"), "fp32", 0.0, weights(1))
    model.network.denoiser = Slow()
    estimates, seconds = model.start(Inputs(torch.randn(1, 2000)))()
    assert clock == [(2, 2000)] and estimates.shape == (1, 2, 2000) and seconds > 0
    separated(mixtures, weights(2), tmp_path, weights(1))
    assert len(pd.read_csv(tmp_path / "latency.csv")) == 5


def test_recordings_of_several_lengths_are_never_padded(mixtures, weights, tmp_path):
    """A padded estimate has something behind its end, which a denoiser would see."""
    batched = replace(SETTING, timed=False, inference=Inference(batch_size=3))
    found = separated(mixtures, weights(2), tmp_path / "batched", weights(1), batched)
    alone = separated(mixtures, weights(2), tmp_path / "alone", weights(1))
    for one, other in zip(found["s1_path"], alone["s1_path"], strict=True):
        np.testing.assert_allclose(read(one), read(other), atol=1e-6)


def test_both_files_are_named_where_one_gives_nan(mixtures, weights, tmp_path):
    broken = weights(1, spoil=1e30)
    line = r"gives NaN for .*; delete it and state/ beside it, and run again"
    with pytest.raises(PipelineError, match=line) as error:
        separated(mixtures, weights(2), tmp_path, broken)
    assert str(error.value).startswith(f"{weights(2)}, with {broken} behind it: ")


def test_a_denoiser_of_several_signals_is_refused(mixtures, weights, tmp_path):
    with pytest.raises(PipelineError, match="gives 2 signals, asked for 1"):
        separated(mixtures, weights(2), tmp_path, weights(2))
