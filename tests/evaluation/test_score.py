import logging
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from systems import path_of, with_short

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate, read_manifest, write_manifest
from pipeline.config import Metric
from pipeline.evaluation import metrics
from pipeline.evaluation.measures import open_measure
from pipeline.evaluation.score import COLUMNS, score
from pipeline.tasks.grammar import System

RATE = 8000
TIME = 6000


def write(path, samples):
    audio.write(path, samples.astype(np.float32), RATE, subtype="FLOAT")
    return str(path)


@pytest.fixture(params=[1, 2, 4])
def run(request, tmp_path):
    """Three mixtures of N sources with their estimates, sources in reverse order."""
    return make_run(tmp_path, request.param)


@pytest.fixture
def pair(tmp_path):
    return make_run(tmp_path, 2)


def make_run(folder, sources, count=3):
    rng = np.random.default_rng(0)
    mixtures, separated, denoised = [], [], []
    for name in (f"test-{i:06d}" for i in range(count)):
        s = 0.1 * rng.standard_normal((sources, TIME))
        noise = 0.1 * rng.standard_normal(TIME)
        clean = s.sum(0)
        row = {"mixture_id": name, "length": TIME, "s1_speaker": "7"}
        row["mix_both_path"] = write(folder / "mix_both" / f"{name}.wav", clean + noise)
        row["noise_path"] = write(folder / "noise" / f"{name}.wav", noise)
        row["mix_clean_path"] = write(folder / "mix_clean" / f"{name}.wav", clean)
        estimate = {"mixture_id": name}
        for k in range(sources):
            row[f"s{k + 1}_path"] = write(folder / f"s{k + 1}" / f"{name}.wav", s[k])
            reverse = s[sources - 1 - k] + 0.1 * noise
            path = folder / "estimates" / f"s{k + 1}" / f"{name}.wav"
            estimate[f"s{k + 1}_path"] = write(path, reverse)
        path = write(folder / "denoised" / f"{name}.wav", clean + 0.1 * noise)
        mixtures.append(row)
        separated.append(estimate)
        denoised.append({"mixture_id": name, "mix_clean_path": path})
    write_manifest(folder / "mixtures.csv", pd.DataFrame(mixtures))
    write_manifest(folder / "separated.csv", pd.DataFrame(separated[::-1]))
    write_manifest(folder / "denoised.csv", pd.DataFrame(denoised))
    return folder


def scored(folder, system, estimates=None, shard="1-of-1", wanted=("si_sdr",), workers=1):
    """The score table of a system; estimates are the name of their manifest."""
    out = folder / f"scores-{shard}.csv"
    measure = open_measure("signal", RATE, metrics=list(wanted))
    estimates = estimates and folder / estimates
    parsed = System.parse(path_of(system))
    score(folder / "mixtures.csv", estimates, out, parsed, shard, RATE, measure, workers)
    return with_short(read_manifest(out))


def separated(folder, shard="1-of-1", wanted=("si_sdr",)):
    return scored(folder, "conv/noisy/noisy", "separated.csv", shard, wanted)


def test_separated_estimates_are_aligned(run):
    table = separated(run, wanted=["si_sdr", "sir"])
    mixtures = read_manifest(run / "mixtures.csv")
    sources = [c[:2] for c in mixtures if c.endswith("_path") and c.startswith("s")]
    assert list(table.columns) == [*COLUMNS, "system"]
    assert set(table["system"]) == {"conv/noisy/noisy"}
    assert set(table["metric"]) == ({"si_sdr", "sir"} if len(sources) > 1 else {"si_sdr"})
    table = table[table["metric"] == "si_sdr"]
    assert list(table["source"]) == sources * 3
    assert table["value"].between(19, 21).all()  # the noise is at -20 dB


def test_shards_cover_the_mixtures_once(pair):
    parts = [separated(pair, f"{k}-of-4") for k in (1, 2, 3, 4)]
    assert [len(part) for part in parts] == [0, 2, 2, 2]
    joined = pd.concat(parts[1:], ignore_index=True)
    pd.testing.assert_frame_equal(joined, separated(pair))


def test_denoised_is_scored_against_the_clean_mixture(run):
    table = scored(run, "denoised-conv", "denoised.csv", wanted=["si_sdr", "sdr", "sir"])
    assert set(table["system"]) == {"denoised-conv"}
    assert set(table["source"]) == {"mix_clean"}
    assert set(table["metric"]) == {"si_sdr", "sdr"}
    assert len(table) == 3 * 2


def test_mixture_is_scored_against_sources_and_clean_mixture(run):
    table = pd.concat(
        scored(run, system, shard="1-of-3", wanted=["si_sdr", "sir"])
        for system in ("mixture", "mixture-mix_clean")
    )
    row = read_manifest(run / "mixtures.csv").iloc[0]
    noisy = audio.read(row["mix_both_path"])[0]
    for source in sorted(set(table["source"])):
        reference = audio.read(row[f"{source}_path"])[0]
        value = table[(table["source"] == source) & (table["metric"] == "si_sdr")]["value"].item()
        expected = metrics.si_sdr(reference[None], noisy[None]).item()
        assert value == pytest.approx(expected, abs=1e-6)
    sources = sum(column.startswith("s") and column.endswith("_path") for column in row.index)
    assert (table["metric"] == "sir").sum() == (sources if sources > 1 else 0)
    assert "mix_clean" in set(table["source"])


def test_silence_is_counted(pair, caplog):
    row = read_manifest(pair / "mixtures.csv").iloc[1]
    write(row["s2_path"], np.zeros(TIME))
    with caplog.at_level(logging.WARNING):
        table = separated(pair, wanted=["si_sdr", "pesq"])
    assert table["value"].isna().sum() == 2
    message = next(m for m in caplog.messages if m.startswith("si_sdr"))
    assert "1 of 6 values are undefined, the reference is silent" in message
    assert "s2 of test-000001" in message
    reasons = table.set_index(["mixture_id", "source", "metric"])["undefined"]
    assert reasons["test-000001", "s2", "pesq"] == "the reference is silent"
    assert (reasons.notna() == table["value"].isna().to_numpy()).all()


def test_missing_estimate_is_named(pair):
    table = read_manifest(pair / "separated.csv")
    write_manifest(pair / "shard.csv", table)
    write_manifest(pair / "separated.csv", table[table["mixture_id"] != "test-000001"])
    with pytest.raises(PipelineError) as error:
        separated(pair)
    assert str(error.value) == (
        f"{pair / 'separated.csv'}: has no estimate of s1 of mixture test-000001; delete it and run"
        " again"
    )
    (pair / "separated.csv").unlink()
    concatenate([pair / "shard.csv"], pair / "separated.csv")  # the job that makes it
    assert len(separated(pair)) == 6


def test_too_few_sources_are_named(pair):
    table = read_manifest(pair / "separated.csv")
    write_manifest(pair / "separated.csv", table.drop(columns="s2_path"))
    with pytest.raises(PipelineError, match=r"has no estimate of s2"):
        separated(pair)


@pytest.mark.parametrize(
    "samples, cause",
    [
        (
            np.ones(TIME - 1),
            "has 5999 samples where mixture test-000000 has 6000; fetch or make the file again",
        ),
        (np.full(TIME, np.nan), "NaN"),
        (None, "no such file"),
    ],
)
def test_bad_estimate_is_named(pair, samples, cause):
    path = pair / "estimates" / "s2" / "test-000000.wav"
    right = path.read_bytes()
    path.unlink()
    if samples is not None:
        write(path, samples)
    with pytest.raises(PipelineError, match=cause) as error:
        separated(pair)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    assert not (pair / "scores-1-of-1.csv").exists()
    path.write_bytes(right)  # it is rebuilt
    assert len(separated(pair)) == 6


def test_workers_write_the_same_table(pair):
    row = read_manifest(pair / "mixtures.csv").iloc[1]
    write(row["s2_path"], np.zeros(TIME))
    tables = []
    for workers in (1, 2):
        scored(pair, "a/noisy/clean", "separated.csv", wanted=get_args(Metric), workers=workers)
        tables.append((pair / "scores-1-of-1.csv").read_bytes())
    assert tables[0] == tables[1]


def test_an_error_in_a_worker_is_that_of_one_process(pair):
    path = pair / "estimates" / "s1" / "test-000002.wav"
    write(path, np.full(TIME, np.nan))
    with pytest.raises(PipelineError) as error:
        scored(pair, "a/noisy/clean", "separated.csv", workers=2)
    assert str(error.value) == f"{path}: holds NaN or infinite samples; mend or remove the file"
