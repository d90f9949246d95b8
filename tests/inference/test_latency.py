import numpy as np
import pandas as pd
import pytest

from pipeline.files import write_manifest
from pipeline.inference.latency import collect_latency


@pytest.fixture
def runs(tmp_path):
    """Two runs of known times, as `(stage, model, tested, latency.csv)`."""
    rng, found = np.random.default_rng(0), []
    for stage, tested, files in [("denoise", "noisy", 37), ("separate", "clean", 4)]:
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
        write_manifest(tmp_path / stage / "latency.csv", table)
        found.append((stage, "conv_tasnet", tested, tmp_path / stage / "latency.csv"))
    return found


@pytest.fixture
def collected(runs, tmp_path):
    collect_latency(runs, tmp_path / "latency.csv", tmp_path / "summary.csv")
    return pd.read_csv(tmp_path / "latency.csv"), pd.read_csv(tmp_path / "summary.csv")


def test_every_file_is_kept_under_its_run(collected, runs):
    table = collected[0]
    assert list(table)[:4] == ["stage", "model", "tested", "mixture_id"]
    assert table["stage"].tolist() == ["denoise"] * 37 + ["separate"] * 4
    expected = np.concatenate([pd.read_csv(run[3])["latency_ms"] for run in runs])
    np.testing.assert_allclose(table["latency_ms"], expected)


def test_summary_equals_numpy(collected, runs):
    summary = collected[1]
    assert summary["files"].tolist() == [37, 4]
    assert summary["tested"].tolist() == ["noisy", "clean"]
    assert (summary["device"] == "CPU of the test").all() and (summary["threads"] == 2).all()
    for row, run in zip(summary.to_dict("records"), runs, strict=True):
        table = pd.read_csv(run[3])
        found = [row["p50_ms"], row["p95_ms"], row["p99_ms"]]
        np.testing.assert_allclose(
            found, np.percentile(table["latency_ms"], [50, 95, 99]), atol=1e-4
        )
        for column in ("rtf", "read_ms", "write_ms"):
            name = "rtf_p50" if column == "rtf" else column.replace("_ms", "_p50_ms")
            assert row[name] == pytest.approx(np.median(table[column]), abs=1e-4)
