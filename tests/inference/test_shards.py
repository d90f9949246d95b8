from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch
from torch import nn

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate, digest_of, read_manifest, write_manifest
from pipeline.config import Inference, Machine
from pipeline.inference.apply import Setting
from pipeline.inference.apply import batches as make_batches
from pipeline.inference.chunks import Recording
from pipeline.inference.estimator import Estimator
from pipeline.inference.run import infer_shard
from pipeline.models.weights import load_network
from pipeline.tasks import DENOISE, SEPARATE

CPU = torch.device("cpu")
RATE = 8000
SETTING = Setting(RATE, Machine(device="cpu"), Inference(warmup=1))
SHORT = Setting(RATE, Machine(device="cpu"), Inference(max_seconds=0.2, overlap_seconds=0.1))
BATCHED = Setting(RATE, Machine(device="cpu"), Inference(batch_size=2), timed=False)
SHORT_BATCHED = Setting(
    RATE,
    Machine(device="cpu"),
    Inference(max_seconds=0.2, overlap_seconds=0.1, batch_size=3),
    timed=False,
)
TIMES = ["latency_ms", "rtf", "read_ms", "write_ms"]


def separate(mixtures, weights, out, shard="1-of-1", condition="noisy", denoised=None, **other):
    setting = other.get("setting", SETTING)
    infer_shard(SEPARATE, mixtures, condition, denoised, weights, out, shard, setting)
    latency = pd.read_csv(out / "latency.csv") if setting.timed else None
    return read_manifest(out / "estimates.csv"), latency


def run_directly(weights, sources, path):
    mixture = torch.from_numpy(audio.read_at(path, RATE))[None]
    with torch.inference_mode():
        return load_network(weights, sources, RATE)(mixture)[0].numpy()


def assert_float_wav_equals(path, expected):
    header = sf.info(path)
    assert (header.format, header.subtype, header.samplerate) == ("WAV", "FLOAT", RATE)
    np.testing.assert_allclose(audio.read_at(path, RATE), expected, atol=1e-6)


def test_denoise_writes_the_output_of_the_network(mixtures, weights, tmp_path):
    infer_shard(DENOISE, mixtures, "noisy", None, weights(1), tmp_path, "1-of-1", SETTING)
    estimates, table = read_manifest(tmp_path / "estimates.csv"), read_manifest(mixtures)
    assert list(estimates) == ["mixture_id", "mix_clean_path", "digest"]
    assert estimates["mixture_id"].tolist() == table["mixture_id"].tolist()
    digests = [digest_of(Path(p).read_bytes()) for p in estimates["mix_clean_path"]]
    assert estimates["digest"].tolist() == [digest_of(d.encode()) for d in digests]
    for path, source in zip(estimates["mix_clean_path"], table["mix_both_path"], strict=True):
        assert_float_wav_equals(path, run_directly(weights(1), 1, source)[0])


@pytest.mark.parametrize("condition", ["clean", "noisy", "denoised-x"])
def test_separate_is_given_the_mixture_of_its_condition(mixtures, weights, tmp_path, condition):
    inputs, denoised = read_manifest(mixtures), None
    if condition.startswith("denoised"):
        infer_shard(
            DENOISE, mixtures, "noisy", None, weights(1), tmp_path / "denoised", "1-of-1", SETTING
        )
        denoised = tmp_path / "denoised" / "estimates.csv"
        inputs = read_manifest(denoised)
    column = {"clean": "mix_clean_path", "noisy": "mix_both_path"}.get(condition, "mix_clean_path")
    out = tmp_path / "separated"
    estimates, _ = separate(mixtures, weights(2), out, "2-of-2", condition, denoised)
    assert list(estimates) == ["mixture_id", "s1_path", "s2_path", "digest"]
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


@pytest.mark.parametrize("alone, at_once", [(SETTING, BATCHED), (SHORT, SHORT_BATCHED)])
def test_a_batch_gives_each_mixture_s_own_output(mixtures, weights, tmp_path, alone, at_once):
    expected, _ = separate(mixtures, weights(2), tmp_path / "alone", setting=alone)
    found, _ = separate(mixtures, weights(2), tmp_path / "at_once", setting=at_once)
    assert found["mixture_id"].tolist() == expected["mixture_id"].tolist()
    for column in ("s1_path", "s2_path"):
        for one, other in zip(found[column], expected[column], strict=True):
            assert_float_wav_equals(one, audio.read_at(other, RATE))
    assert not (tmp_path / "at_once/latency.csv").exists()  # no mixture was timed by itself


@pytest.mark.parametrize("setting, size", [(SETTING, 1), (SHORT, 1), (SHORT_BATCHED, 3)])
def test_throughput_counts_every_recording_once(mixtures, weights, tmp_path, setting, size):
    separate(mixtures, weights(2), tmp_path, setting=setting)
    [row] = pd.read_csv(tmp_path / "throughput.csv").to_dict("records")
    assert row["audio_seconds"] == pytest.approx(read_manifest(mixtures)["length"].sum() / RATE)
    assert 0 < row["busy_seconds"] < row["wall_seconds"]
    assert (row["batch_size"], row["precision"], row["threads"]) == (size, "fp32", 1)


def test_batches_are_of_like_length_the_longest_first():
    recordings = [Recording(str(n), f"{n}.wav", n, ()) for n in (900, 4000, 800, 950)]
    padded, equal = (Estimator(nn.Identity(), CPU, "fp32", exact_padding=e) for e in (True, False))

    def sizes(setting, model):
        return [[piece.samples for piece in b] for b in make_batches(recordings, setting, model)]

    assert sizes(SHORT_BATCHED, padded) == [[1600, 1600, 1600], [1600, 950, 900], [800]]
    # Where padding would change what comes out, of one length each.
    found = sizes(SHORT_BATCHED, equal)
    assert found == [[1600, 1600, 1600], [1600], [950], [900], [800]]
    alone = make_batches(recordings, SETTING, equal)
    assert [piece.samples for [piece] in alone] == [900, 4000, 800, 950]


@pytest.mark.parametrize("size", [None, 5])
def test_batches_are_larger_on_a_gpu_unless_configured(size):
    setting = replace(BATCHED, inference=Inference(batch_size=size))
    found = [setting.batch_size(torch.device(name)) for name in ("cpu", "cuda")]
    assert found == ([1, 16] if size is None else [5, 5])
    assert replace(setting, timed=True).batch_size(torch.device("cuda")) == 1


@pytest.mark.parametrize("setting", [SHORT, SHORT_BATCHED], ids=["alone", "batched"])
def test_a_file_that_cannot_be_read_is_named(mixtures, weights, tmp_path, setting):
    table = read_manifest(mixtures)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(Path(table["mix_both_path"][2]).read_bytes()[:3000])
    table.loc[2, "mix_both_path"] = str(broken)
    write_manifest(tmp_path / "mixtures.csv", table)
    with pytest.raises(PipelineError, match="truncated") as error:
        separate(tmp_path / "mixtures.csv", weights(2), tmp_path / "out", setting=setting)
    assert str(error.value).startswith(f"{broken}: ") and "\n" not in str(error.value)
    assert not list((tmp_path / "out").rglob("*.part"))
    assert not (tmp_path / "out/estimates.csv").exists()


@pytest.mark.parametrize("setting", [SETTING, BATCHED], ids=["alone", "batched"])
def test_a_file_that_cannot_be_written_is_named(mixtures, weights, tmp_path, setting):
    (tmp_path / "s2").write_text("in the way")
    with pytest.raises(OSError) as error:
        separate(mixtures, weights(2), tmp_path, setting=setting)
    assert str(tmp_path / "s2") in str(error.value.filename)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["s2"]


def test_bf16_is_nearly_the_same(mixtures, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.models.devices.supports_bf16", lambda device: True)
    setting = replace(SETTING, inference=Inference(warmup=1, precision="bf16"))
    exact, _ = separate(mixtures, weights(2), tmp_path / "fp32")
    found, _ = separate(mixtures, weights(2), tmp_path / "bf16", setting=setting)
    for one, other in zip(found["s1_path"], exact["s1_path"], strict=True):
        expected = audio.read_at(other, RATE)
        error = np.abs(audio.read_at(one, RATE) - expected).max()
        assert 0 < error < 0.02 * np.abs(expected).max()
    assert pd.read_csv(tmp_path / "bf16/throughput.csv")["precision"].tolist() == ["bf16"]


@pytest.mark.parametrize(
    "setting", [SETTING, SHORT, SHORT_BATCHED], ids=["whole", "pieces", "batched"]
)
def test_weights_that_give_nan_are_named(mixtures, weights, tmp_path, setting):
    broken = weights(2, spoil=1e30)  # finite weights, but their output is not
    line = r"gives NaN for .*; delete it and state/ beside it, and run again"
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
        infer_shard(DENOISE, mixtures, "noisy", None, weights(2), tmp_path, "1-of-1", SETTING)
    other = Setting(16000, SETTING.machine, SETTING.inference)
    with pytest.raises(PipelineError, match="trained at 8000 Hz, asked for 16000 Hz"):
        infer_shard(DENOISE, mixtures, "noisy", None, weights(1), tmp_path, "1-of-1", other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("setting", [SETTING, BATCHED], ids=["alone", "batched"])
def test_the_gpu_gives_the_output_of_the_cpu(mixtures, weights, tmp_path, monkeypatch, setting):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    setting = replace(setting, machine=Machine(device="cuda"))
    cpu, _ = separate(mixtures, weights(2), tmp_path / "cpu")
    gpu, _ = separate(mixtures, weights(2), tmp_path / "gpu", setting=setting)
    [row] = pd.read_csv(tmp_path / "gpu/throughput.csv").to_dict("records")
    assert row["device"] == torch.cuda.get_device_name()
    assert 0 < row["busy_seconds"] < row["wall_seconds"]
    for column in ("s1_path", "s2_path"):
        for one, other in zip(cpu[column], gpu[column], strict=True):
            expected = audio.read_at(one, RATE)
            np.testing.assert_allclose(audio.read_at(other, RATE), expected, atol=1e-4)
