import numpy as np
import pandas as pd
import pytest

from pipeline.base.files import write_manifest
from pipeline.inference.latency import collect_latency, collect_throughput
from pipeline.tasks.grammar import SYSTEM


@pytest.fixture
def runs(tmp_path):
    """Two runs with known times, as the folders of their only shards."""
    rng, found = np.random.default_rng(0), []
    for run, files in [
        ("denoise/d/noisy/0/noisy/test", 37),
        ("separate/conv_tasnet/noisy/0/clean/test", 4),
    ]:
        milliseconds = rng.gamma(3, 20, files)
        table = pd.DataFrame(
            {
                "mixture_id": [f"test-{n}" for n in range(files)],
                "audio_seconds": 2.0,
                "latency_ms": milliseconds,
                "rtf": milliseconds / 2000,
                "read_ms": rng.random(files),
                "write_ms": rng.random(files),
                "device": "CPU of the test",
                "threads": 2,
            }
        )
        found.append(tmp_path / run / "1-of-1")
        write_manifest(found[-1] / "latency.csv", table)
    return found


@pytest.fixture
def collected(runs, tmp_path):
    collect_latency(runs, tmp_path / "latency.csv", tmp_path / "summary.csv")
    return pd.read_csv(tmp_path / "latency.csv"), pd.read_csv(tmp_path / "summary.csv")


def test_every_file_is_kept_under_its_run(collected, runs):
    table = collected[0]
    assert list(table)[:6] == [*SYSTEM, "mixture_id"]
    assert table["task"].tolist() == ["denoise"] * 37 + ["separate"] * 4
    assert table["name"].tolist() == ["d"] * 37 + ["conv_tasnet"] * 4
    assert (table["trained"] == "noisy").all() and (table["run"] == 0).all()
    expected = np.concatenate([pd.read_csv(run / "latency.csv")["latency_ms"] for run in runs])
    np.testing.assert_allclose(table["latency_ms"], expected)


def test_summary_equals_numpy(collected, runs):
    summary = collected[1]
    assert summary["files"].tolist() == [37, 4]
    assert summary["tested"].tolist() == ["noisy", "clean"]
    assert (summary["device"] == "CPU of the test").all() and (summary["threads"] == 2).all()
    for row, run in zip(summary.to_dict("records"), runs, strict=True):
        table = pd.read_csv(run / "latency.csv")
        found = [row["p50_ms"], row["p95_ms"], row["p99_ms"]]
        np.testing.assert_allclose(
            found, np.percentile(table["latency_ms"], [50, 95, 99]), atol=1e-4
        )
        for column in ("rtf", "read_ms", "write_ms"):
            name = "rtf_p50" if column == "rtf" else column.replace("_ms", "_p50_ms")
            assert row[name] == pytest.approx(np.median(table[column]), abs=1e-4)


def test_throughput_adds_up_over_shards(tmp_path):
    facts = {"device": "GPU", "threads": 1, "precision": "bf16", "batch_size": 16}
    shards = []
    for run, rows in {
        "denoise/d/noisy/0/noisy/train": [(3600.0, 10.0, 9.0), (1800.0, 5.0, 3.0)],
        "separate/s/clean/0/noisy/test": [(60.0, 6.0, 3.0)],
    }.items():
        for number, (audio, wall, busy) in enumerate(rows):
            shards.append(tmp_path / run / f"{number}-of-{len(rows)}")
            row = {"audio_seconds": audio, "wall_seconds": wall, "busy_seconds": busy}
            write_manifest(shards[-1] / "throughput.csv", pd.DataFrame([row | facts]))
    collect_throughput(shards, tmp_path / "throughput.csv")
    train, test = pd.read_csv(tmp_path / "throughput.csv").to_dict("records")
    assert train == facts | {
        "task": "denoise",
        "name": "d",
        "trained": "noisy",
        "run": 0,
        "tested": "noisy",
        "split": "train",
        "audio_seconds": 5400,
        "wall_seconds": 15,
        "busy_seconds": 12,
        "busy_share": 0.8,
        "hours_per_hour": 360,
    }
    names = (*SYSTEM, "split")
    assert [test[n] for n in names] == ["separate", "s", "clean", 0, "noisy", "test"]
    assert test["busy_share"] == 0.5 and test["hours_per_hour"] == 10
