"""Shares of the mixture that are added back to a denoiser's output."""

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Inference, Machine
from pipeline.evaluation.metrics import permutation, si_sdr
from pipeline.inference.apply import Setting
from pipeline.inference.run import infer_shard
from pipeline.inference.sweep import COLUMNS, SHARES, sweep_shard
from pipeline.tasks import SEPARATE
from pipeline.tasks.grammar import System

RATE = 8000
SETTING = Setting(RATE, Machine(device="cpu"), Inference(), timed=False)
ALONE = System.parse("denoise/x/noisy/0/noisy")
BEHIND = System.parse("separate/direct/noisy/1/denoised-x")


@pytest.fixture(scope="module")
def denoised(mixtures, tmp_path_factory):
    """The output of a denoiser that distorts."""
    folder, rng = tmp_path_factory.mktemp("denoised"), np.random.default_rng(1)
    table = read_manifest(mixtures)
    outputs = [0.8 * read(path) for path in table["mix_clean_path"]]
    distorted = [x + 0.02 * rng.standard_normal(len(x)).astype(np.float32) for x in outputs]
    return write_denoised(folder, table["mixture_id"], distorted)


def write_denoised(folder, names, signals):
    paths = [folder / f"{name}.wav" for name in names]
    for path, samples in zip(paths, signals, strict=True):
        audio.write(path, samples, RATE)
    manifest = pd.DataFrame({"mixture_id": names, "mix_clean_path": paths})
    write_manifest(folder / "estimates.csv", manifest)
    return folder / "estimates.csv"


def swept(system, mixtures, denoised, weights, out, shard="1-of-1"):
    sweep_shard(system, mixtures, denoised, weights, out, shard, SETTING)
    return read_manifest(out)


def read(path):
    return audio.read_at(path, RATE)


def test_each_share_of_a_denoiser_scores_as_the_evaluation_scores_the_blend(
    mixtures, denoised, tmp_path
):
    found = swept(ALONE, mixtures, denoised, None, tmp_path / "dry.csv")
    assert list(found) == COLUMNS and set(found["source"]) == {"mix_clean"}
    assert found["dry"].tolist() == np.repeat(SHARES, 5).tolist()
    table = read_manifest(mixtures).merge(
        read_manifest(denoised), on="mixture_id", suffixes=("", "_output")
    )
    for row in table.to_dict("records"):
        clean, noisy, output = (
            read(row[name]) for name in ("mix_clean_path", "mix_both_path", "mix_clean_path_output")
        )
        before = si_sdr(clean[None], noisy[None])
        values = found[found["mixture_id"] == row["mixture_id"]].set_index("dry")["si_sdri"]
        for share in SHARES:
            blend = (1 - share) * output + share * noisy
            after = si_sdr(clean[None], blend[None])
            assert values[share] == pytest.approx((after - before).item(), abs=1e-4)
        assert values[1.0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("share", "condition"), [(0.0, "denoised-x"), (1.0, "noisy")])
def test_none_or_all_of_the_mixture_is_what_a_separator_makes_of_these_inputs(
    mixtures, denoised, weights, tmp_path, share, condition
):
    found = swept(BEHIND, mixtures, denoised, weights(2), tmp_path / "dry.csv", "2-of-2")
    given = denoised if condition == "denoised-x" else None
    infer_shard(SEPARATE, mixtures, condition, given, weights(2), tmp_path, "2-of-2", SETTING)
    table = read_manifest(mixtures).merge(
        read_manifest(tmp_path / "estimates.csv"), on="mixture_id", suffixes=("", "_estimate")
    )
    assert len(table) == 3  # the second half of five
    values = found[found["dry"] == share].set_index(["mixture_id", "source"])["si_sdri"]
    assert len(values) == 6 and set(found["run"]) == {1}
    for row in table.to_dict("records"):
        sources = np.stack([read(row[f"s{k}_path"]) for k in (1, 2)])
        estimates = np.stack([read(row[f"s{k}_path_estimate"]) for k in (1, 2)])
        estimates = estimates[permutation(sources, estimates)]
        mixture = np.stack([read(row["mix_both_path"])] * 2)
        expected = si_sdr(sources, estimates) - si_sdr(sources, mixture)
        assert values[row["mixture_id"]].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_silent_output_has_no_value_until_something_is_added(mixtures, denoised, tmp_path):
    table = read_manifest(mixtures)
    nothing = [np.zeros(length, np.float32) for length in table["length"]]
    silent = write_denoised(tmp_path, table["mixture_id"], nothing)
    found = swept(ALONE, mixtures, silent, None, tmp_path / "dry.csv").set_index("dry")["si_sdri"]
    assert found[0.0].isna().all()
    assert found[0.1:].to_numpy() == pytest.approx(0, abs=1e-4)  # scaled mixtures


def test_a_denoised_mixture_that_is_not_there_is_named(mixtures, denoised, tmp_path):
    write_manifest(tmp_path / "part.csv", read_manifest(denoised)[1:])
    with pytest.raises(PipelineError, match=r"part\.csv: lacks mixture test-0000"):
        swept(ALONE, mixtures, tmp_path / "part.csv", None, tmp_path / "dry.csv")
    assert not (tmp_path / "dry.csv").exists()


def test_sources_that_a_mixture_lacks_have_no_value(mixtures, denoised, weights, tmp_path):
    table = read_manifest(mixtures)
    table.loc[0, ["s2_path", "source_2_path"]] = None
    write_manifest(tmp_path / "mixtures.csv", table)
    for place, given in enumerate([mixtures, tmp_path / "mixtures.csv"]):
        out = tmp_path / f"{place}.csv"
        sweep_shard(BEHIND, given, denoised, weights(2), out, "1-of-5", SETTING)
    whole, found = (read_manifest(tmp_path / f"{place}.csv") for place in (0, 1))
    assert len(whole) == 2 * len(SHARES) and found["source"].tolist() == ["s1"] * len(SHARES)
    # The one speaker has the better of both outputs, which in the order of two it may not have.
    alone = whole[whole["source"] == "s1"]["si_sdri"].to_numpy()
    assert (found["si_sdri"].to_numpy() >= alone - 1e-9).all()
