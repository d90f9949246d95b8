from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from pipeline import audio
from pipeline.config import Inference, Machine
from pipeline.errors import PipelineError
from pipeline.files import concatenate, read_manifest, write_manifest
from pipeline.inference.run import Setting, denoise_shard, separate_shard
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.weights import load_network, save_weights

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
SETTING = Setting(RATE, Machine(device="cpu"), Inference(warmup=1))
SHORT = Setting(RATE, Machine(device="cpu"), Inference(max_seconds=0.2, overlap_seconds=0.1))
TIMES = ["latency_ms", "rtf", "read_ms", "write_ms"]


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory) -> Path:
    """Five mixtures of two sources, of different lengths."""
    folder, rng, rows = tmp_path_factory.mktemp("test"), np.random.default_rng(0), []
    for number, length in enumerate([2000, 2501, 3000, 4000, 1800]):
        row = {"mixture_id": f"test-{number:04d}", "length": length}
        for name in ("mix_both", "mix_clean", "s1", "s2", "noise"):
            row[f"{name}_path"] = folder / name / f"{number}.wav"
            samples = 0.1 * rng.standard_normal(length)
            audio.write(row[f"{name}_path"], samples.astype(np.float32), RATE)
        rows.append(row | {"source_1_path": "/raw/a.wav", "source_2_path": "/raw/b.wav"})
    write_manifest(folder / "mixtures.csv", pd.DataFrame(rows))
    return folder / "mixtures.csv"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """`weights(sources)`: a file of untrained weights; `spoil` is added to all of them."""
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


def separate(mixtures, weights, out, shard="1-of-1", condition="noisy", denoised=None, **other):
    setting = other.get("setting", SETTING)
    separate_shard(mixtures, condition, denoised, weights, out, shard, setting)
    return read_manifest(out / "estimates.csv"), pd.read_csv(out / "latency.csv")


def run_directly(weights, sources, path):
    mixture = torch.from_numpy(audio.read_at(path, RATE))[None]
    with torch.inference_mode():
        return load_network(weights, sources, RATE)(mixture)[0].numpy()


def assert_float_wav_equals(path, expected):
    header = sf.info(path)
    assert (header.format, header.subtype, header.samplerate) == ("WAV", "FLOAT", RATE)
    np.testing.assert_allclose(audio.read_at(path, RATE), expected, atol=1e-6)


def test_denoise_writes_what_the_network_gives(mixtures, weights, tmp_path):
    denoise_shard(mixtures, weights(1), tmp_path, "1-of-1", SETTING)
    estimates, table = read_manifest(tmp_path / "estimates.csv"), read_manifest(mixtures)
    assert list(estimates) == ["mixture_id", "denoised_path"]
    assert estimates["mixture_id"].tolist() == table["mixture_id"].tolist()
    for path, source in zip(estimates["denoised_path"], table["mix_both_path"], strict=True):
        assert_float_wav_equals(path, run_directly(weights(1), 1, source)[0])


@pytest.mark.parametrize("condition", ["clean", "noisy", "denoised-x"])
def test_separate_hears_the_mixture_of_its_condition(mixtures, weights, tmp_path, condition):
    inputs, denoised = read_manifest(mixtures), None
    if condition.startswith("denoised"):
        denoise_shard(mixtures, weights(1), tmp_path / "denoised", "1-of-1", SETTING)
        denoised = tmp_path / "denoised" / "estimates.csv"
        inputs = read_manifest(denoised)
    column = {"clean": "mix_clean_path", "noisy": "mix_both_path"}.get(condition, "denoised_path")
    out = tmp_path / "separated"
    estimates, _ = separate(mixtures, weights(2), out, "2-of-2", condition, denoised)
    assert list(estimates) == ["mixture_id", "s1_path", "s2_path"]
    for row, path in zip(estimates.to_dict("records"), inputs[column][2:], strict=True):
        expected = run_directly(weights(2), 2, path)
        assert_float_wav_equals(row["s1_path"], expected[0])
        assert_float_wav_equals(row["s2_path"], expected[1])


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_together_are_all_mixtures(mixtures, weights, tmp_path, shards):
    folders = [tmp_path / str(k) for k in range(1, shards + 1)]
    for k, folder in enumerate(folders, 1):
        estimates, latency = separate(mixtures, weights(2), folder, f"{k}-of-{shards}")
        assert estimates["mixture_id"].tolist() == latency["mixture_id"].tolist()
        assert len(list((folder / "s2").iterdir())) == len(estimates)
    concatenate([folder / "estimates.csv" for folder in folders], tmp_path / "estimates.csv")
    joined, table = read_manifest(tmp_path / "estimates.csv"), read_manifest(mixtures)
    assert joined["mixture_id"].tolist() == table["mixture_id"].tolist()
    assert [audio.info(path).samples for path in joined["s1_path"]] == table["length"].tolist()


def test_latency_is_positive_and_rtf_its_share_of_the_audio(mixtures, weights, tmp_path):
    _, latency = separate(mixtures, weights(2), tmp_path)
    assert list(latency) == ["mixture_id", "audio_seconds", *TIMES, "device", "threads"]
    lengths = read_manifest(mixtures)["length"] / RATE
    np.testing.assert_allclose(latency["audio_seconds"], lengths, atol=1e-4)
    assert (latency[TIMES] > 0).all(axis=None)
    expected = latency["latency_ms"] / 1e3 / lengths
    np.testing.assert_allclose(latency["rtf"], expected, atol=1e-5)
    assert latency["device"].str.startswith("CPU ").all() and (latency["threads"] == 1).all()


@pytest.mark.parametrize("setting", [SETTING, SHORT], ids=["whole", "pieces"])
def test_weights_that_give_nan_are_named(mixtures, weights, tmp_path, setting):
    broken = weights(2, spoil=1e30)  # finite, what comes of them is not
    line = r"gives NaN for .*; delete it and state/ beside it, train again"
    with pytest.raises(PipelineError, match=line) as error:
        separate(mixtures, broken, tmp_path, setting=setting)
    assert str(broken) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "estimates.csv").exists()


def test_long_mixtures_go_in_pieces(mixtures, weights, tmp_path):
    estimates, _ = separate(mixtures, weights(2), tmp_path, setting=SHORT)
    inputs = read_manifest(mixtures)["mix_both_path"]
    for row, path in zip(estimates.to_dict("records"), inputs, strict=True):
        whole = run_directly(weights(2), 2, path)
        found = np.stack([audio.read_at(row[f"s{k}_path"], RATE) for k in (1, 2)])
        assert found.shape == whole.shape
        assert 0 < np.abs(found - whole).max() < np.abs(whole).max()


def test_weights_of_another_speaker_count_or_rate_are_refused(mixtures, weights, tmp_path):
    with pytest.raises(PipelineError, match="gives 3 signals, asked for 2") as error:
        separate(mixtures, weights(3), tmp_path)
    assert str(weights(3)) in str(error.value)
    with pytest.raises(PipelineError, match="gives 2 signals, asked for 1"):
        denoise_shard(mixtures, weights(2), tmp_path, "1-of-1", SETTING)
    other = Setting(16000, SETTING.machine, SETTING.inference)
    with pytest.raises(PipelineError, match="trained at 8000 Hz, asked for 16000 Hz"):
        denoise_shard(mixtures, weights(1), tmp_path, "1-of-1", other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_what_the_cpu_gives(mixtures, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    setting = Setting(RATE, Machine(device="cuda"), SETTING.inference)
    cpu, _ = separate(mixtures, weights(2), tmp_path / "cpu")
    gpu, latency = separate(mixtures, weights(2), tmp_path / "gpu", setting=setting)
    assert (latency["device"] == torch.cuda.get_device_name()).all()
    for column in ("s1_path", "s2_path"):
        for one, other in zip(cpu[column], gpu[column], strict=True):
            expected = audio.read_at(one, RATE)
            np.testing.assert_allclose(audio.read_at(other, RATE), expected, atol=1e-4)
