"""The timed parts, by a clock that moves only while files are read, run and written."""

import time
from dataclasses import replace

import pandas as pd
import pytest

from pipeline import audio
from pipeline.base.files import read_manifest
from pipeline.config import Inference, Machine
from pipeline.inference.apply import Setting
from pipeline.inference.run import infer_shard
from pipeline.inference.writer import Writer
from pipeline.models.conv_tasnet.network import ConvTasNet
from pipeline.tasks import SEPARATE

RATE, WARMUP = 8000, 3
READ, RUN, WRITE = 1.0, 20.0, 300.0  # s of each step
ALONE = Setting(RATE, Machine(device="cpu"), Inference(warmup=WARMUP))
PIECES = Inference(max_seconds=0.2, overlap_seconds=0.1, warmup=1)  # 1600 samples every 800


@pytest.fixture
def done(monkeypatch):
    """Names and lengths of the steps; only these steps move the clock."""
    clock, done = [0.0], []

    def taking(seconds, name, function):
        def timed(*given, **options):
            result = function(*given, **options)
            clock[0] += seconds
            done.append((name, given[1].shape[-1] if name == "run" else None))
            return result

        return timed

    monkeypatch.setattr(audio, "read_at", taking(READ, "read", audio.read_at))
    monkeypatch.setattr(ConvTasNet, "forward", taking(RUN, "run", ConvTasNet.forward))
    monkeypatch.setattr(Writer, "write", taking(WRITE, "write", Writer.write))
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    return done


def separate(mixtures, weights, folder, setting):
    infer_shard(SEPARATE, mixtures, "noisy", None, weights(2), folder, "1-of-1", setting)
    return pd.read_csv(folder / "throughput.csv").iloc[0]


def test_latency_is_the_network_s_time_without_files(mixtures, weights, tmp_path, done):
    throughput = separate(mixtures, weights, tmp_path, ALONE)
    latency = pd.read_csv(tmp_path / "latency.csv")
    assert (latency["read_ms"] == 1e3 * READ).all()
    assert (latency["latency_ms"] == 1e3 * RUN).all()
    assert (latency["write_ms"] == 1e3 * WRITE).all()
    seconds = read_manifest(mixtures)["length"] / RATE
    assert latency["rtf"].tolist() == pytest.approx((RUN / seconds).tolist(), abs=1e-6)
    assert throughput["wall_seconds"] == len(latency) * (READ + RUN + WRITE)
    assert throughput["busy_seconds"] == len(latency) * RUN


def test_the_first_mixture_warms_up_and_is_then_timed(mixtures, weights, tmp_path, done):
    separate(mixtures, weights, tmp_path, ALONE)
    lengths = read_manifest(mixtures)["length"].tolist()
    warm_up = ["read"] + WARMUP * ["run"]
    assert [name for name, _ in done] == warm_up + len(lengths) * ["read", "run", "write"]
    assert [length for name, length in done if name == "run"] == WARMUP * lengths[:1] + lengths


def test_the_latency_of_a_recording_is_the_sum_of_its_pieces(mixtures, weights, tmp_path, done):
    separate(mixtures, weights, tmp_path, replace(ALONE, inference=PIECES))
    latency = pd.read_csv(tmp_path / "latency.csv")
    pieces = [1 + -(-max(length - 1600, 0) // 800) for length in read_manifest(mixtures)["length"]]
    assert latency["latency_ms"].tolist() == [1e3 * RUN * count for count in pieces]


def test_batches_are_not_warmed_up(mixtures, weights, tmp_path, done):
    separate(mixtures, weights, tmp_path, replace(ALONE, timed=False))
    runs = [length for name, length in done if name == "run"]
    assert runs == sorted(read_manifest(mixtures)["length"], reverse=True)  # longest first
