import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.report.figures import (
    latency_histogram,
    matrix,
    power_db,
    spectrogram,
    training_curves,
)
from pipeline.report.names import interval, number
from pipeline.report.style import inline_svg

COLUMNS = ["system", "metric", "mean", "low", "high"]


def test_matrix_holds_its_numbers_and_marks_the_oracle(tmp_path):
    rows = [("n/noisy/noisy", "si_sdri", -1.234, -2.0, 0.5), ("n/noisy/clean", "si_sdri", 8, 7, 9)]
    matrix(pd.DataFrame(rows, columns=COLUMNS), tmp_path / "m.svg")
    text = (tmp_path / "m.svg").read_text()
    for words in ("−1.23", "−2.00 to 0.50", "8.00", "clean (oracle)", "tested on"):
        assert words in text
    assert "stroke-dasharray" in text


def test_names_are_not_markup(tmp_path):
    rows = [("$x$<b>/noisy/noisy", "si_sdri", 1.0, 0.5, 1.5)]
    matrix(pd.DataFrame(rows, columns=COLUMNS), tmp_path / "m.svg")
    assert "$x$&lt;b&gt;: SI-SDRi" in inline_svg(tmp_path / "m.svg", "matrix")


@pytest.mark.parametrize("models", [0, 1, 5])
def test_training_curves_of_any_number_of_models(tmp_path, models):
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [3.0, 2, 1], "dev_loss": [1.0, 3, np.nan]}
    ).assign(dev_si_sdri=[1.0, 4.2, np.nan])
    training_curves({f"model {n}": history for n in range(models)}, tmp_path / "t.svg")
    assert (tmp_path / "t.svg").read_text().count("best: epoch 2, 4.2 dB") == models


def test_latency_has_a_panel_a_network(tmp_path):
    rows = [("denoise", "d", 5.0), ("separate", "n/clean", 9.0), ("separate", "n/noisy", 11.0)]
    table = pd.DataFrame(rows, columns=["stage", "model", "latency_ms"])
    latency_histogram(table, tmp_path / "l.svg")
    text = (tmp_path / "l.svg").read_text()
    assert "denoise: d  (n = 1)" in text and "separate: n  (n = 2)" in text and "p50 10" in text


def test_power_of_a_tone():
    time = np.arange(8000) / 8000
    frequencies, times, values = power_db(np.sin(2 * np.pi * 1000 * time).astype(np.float32), 8000)
    assert frequencies[values.mean(axis=1).argmax()] == 1000
    assert values.max() == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert times[-1] == pytest.approx(1, abs=0.05)


def test_spectrogram_shares_the_scale_it_is_given(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    for name, ceiling in (("bright", -40.0), ("dark", 40.0)):
        spectrogram(noise, 8000, ceiling, tmp_path / name)
    means = [np.asarray(Image.open(tmp_path / n).convert("L")).mean() for n in ("bright", "dark")]
    assert means[0] > 3 * means[1]
    assert (tmp_path / "bright").stat().st_size < 80_000


def test_shorter_than_a_window(tmp_path):
    spectrogram(np.ones(20, np.float32), 8000, 0.0, tmp_path / "s.png")


def test_numbers_are_typeset():
    assert number(-1.5) == "−1.50" and number(0.001, 2, sign=True) == "0.00"
    assert number(-0.001) == "0.00" and number(float("nan")) == "–" and number(None) == "–"
    assert interval(1, 2) == "1.00 to 2.00" and interval(float("nan"), 2) == ""
