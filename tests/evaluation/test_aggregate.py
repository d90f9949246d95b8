import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from systems import with_columns, with_short

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation import aggregate, score
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.undefined import NO_BASELINE

COLUMNS = ["mixture_id", "system", "source", "metric", "value", "undefined"]


def write_scores(path, rows):
    """Rows up to the value, and with a reason if the value is undefined."""
    rows = [(*row, "silent" if np.isnan(row[4]) else None) for row in rows]
    write_manifest(path, with_columns(pd.DataFrame(rows, columns=COLUMNS)))
    return path


def per_mixture(system, values, metric="si_sdri", source="s1"):
    return [(f"test-{i:06d}", system, source, metric, v) for i, v in enumerate(values)]


def summarised(path, rows, **options):
    scores, out = write_scores(path / "scores.csv", rows), path / "summary.csv"
    aggregate.summarise(scores, out, Bootstrap(**options))
    return with_short(read_manifest(path / "summary.csv")).set_index(["system", "metric"])


def compared(path, rows, **options):
    scores, out = write_scores(path / "scores.csv", rows), path / "pairs.csv"
    aggregate.compare(scores, out, Bootstrap(**options))
    return with_short(with_short(read_manifest(path / "pairs.csv"), "_a"), "_b")


def test_scores_on_clean_mixtures_become_a_metric_of_the_denoiser(tmp_path):
    rows = [
        ("m0", "mixture-mix_clean", "mix_clean", "si_sdr", 1.0),
        ("m0", "denoised-conv", "mix_clean", "si_sdr", 8.0),
    ]
    noisy = write_scores(tmp_path / "noisy.csv", rows)
    preserved = [(f"m{k}", *rows[1][1:4], value) for k, value in enumerate([15.0, 120.0])]
    clean = write_scores(tmp_path / "clean.csv", preserved)
    write_manifest(clean, read_manifest(clean).assign(tested="clean"))
    aggregate.combine([clean, noisy], tmp_path / "out.csv")
    table = read_manifest(tmp_path / "out.csv").set_index(["metric", "mixture_id"])["value"]
    assert table["preservation"].to_dict() == {"m0": 15.0, "m1": 60.0}
    assert table["si_sdri"].to_dict() == {"m0": 7.0}
    systems = set(with_short(read_manifest(tmp_path / "out.csv"))["system"])
    assert systems == {"mixture-mix_clean", "denoised-conv"}


def test_combine_derives_improvements_exactly(tmp_path):
    baseline = [
        ("m0", "mixture", "s1", "si_sdr", -5.0),
        ("m0", "mixture", "s2", "si_sdr", -3.5),
        ("m0", "mixture-mix_clean", "mix_clean", "si_sdr", 1.0),
        ("m0", "mixture", "s1", "sdr", -4.0),
        ("m0", "mixture", "s1", "stoi", 0.5),
    ]
    system = [
        ("m0", "conv/noisy/noisy", "s1", "si_sdr", 4.25),
        ("m0", "conv/noisy/noisy", "s2", "si_sdr", np.nan),
        ("m0", "conv/noisy/noisy", "s1", "sdr", 5.0),
        ("m0", "conv/noisy/noisy", "s1", "stoi", 0.75),
        ("m0", "denoised-conv", "mix_clean", "si_sdr", 8.0),
    ]
    files = [write_scores(tmp_path / "a.csv", system), write_scores(tmp_path / "b.csv", baseline)]
    aggregate.combine(files, tmp_path / "out.csv")
    table = read_manifest(tmp_path / "out.csv")
    assert list(table.columns) == score.COLUMNS
    assert len(table) == 10 + 4
    table = with_short(table)
    found = table.set_index(["system", "source", "metric"])["value"]
    assert found["conv/noisy/noisy", "s1", "si_sdri"] == 9.25
    assert found["conv/noisy/noisy", "s1", "sdri"] == 9.0
    assert found["denoised-conv", "mix_clean", "si_sdri"] == 7.0
    assert np.isnan(found["conv/noisy/noisy", "s2", "si_sdri"])
    assert not ((table["system"] == "mixture") & table["metric"].isin(["si_sdri", "sdri"])).any()


def test_combine_takes_empty_shards_and_tables_without_sdr(tmp_path):
    files = [
        write_scores(tmp_path / "empty.csv", []),
        write_scores(tmp_path / "a.csv", per_mixture("conv/noisy/noisy", [0.5], "stoi")),
    ]
    aggregate.combine(files, tmp_path / "out.csv")
    assert len(read_manifest(tmp_path / "out.csv")) == 1


def test_combine_refuses_doubles_and_a_missing_baseline(tmp_path):
    folder, out = tmp_path / "scores", tmp_path / "scores/scores.csv"
    scored = partial(per_mixture, values=[1.0], metric="si_sdr")
    file = write_scores(folder / "a.csv", scored("conv/noisy/noisy"))
    faults = {
        "si_sdr of separate/conv/noisy/0/noisy on test-000000 is scored twice": [file, file],
        "no scores of the unprocessed mixture": [file],
    }
    for fault, files in faults.items():
        with pytest.raises(PipelineError) as error:
            aggregate.combine(files, out)
        assert str(error.value) == f"{out}: {fault}; delete the folder {folder} and run again"
    shutil.rmtree(folder)
    systems = {"a": "conv/noisy/noisy", "b": "mixture"}  # every system is scored once
    files = [write_scores(folder / f"{name}.csv", scored(s)) for name, s in systems.items()]
    aggregate.combine(files, out)
    assert len(read_manifest(out)) == 3


def test_shares_that_were_chosen_are_rows_of_their_own(tmp_path):
    rows = [
        ("m0", "mixture", "s1", "si_sdr", -5.0),
        ("m0", "conv/noisy/noisy", "s1", "si_sdr", 4.0),
    ]
    file = write_scores(tmp_path / "a.csv", rows)
    shares = with_columns(
        pd.DataFrame(
            [("m0", "conv/clean/denoised-d-dry20", "s1", "si_sdri", 7.5, None)], columns=COLUMNS
        )
    )
    aggregate.combine([file], tmp_path / "out.csv", shares)
    table = with_short(read_manifest(tmp_path / "out.csv"))
    found = table[table["metric"] == "si_sdri"].set_index("system")["value"]
    assert found.to_dict() == {"conv/noisy/noisy": 9.0, "conv/clean/denoised-d-dry20": 7.5}
    aggregate.combine([file], tmp_path / "none.csv", shares[:0])
    aggregate.combine([file], tmp_path / "without.csv")
    assert (tmp_path / "none.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_an_oracle_has_a_mean_and_is_not_compared(tmp_path):
    rows = per_mixture("ideal_mask", [12.0, 14.0]) + per_mixture("conv/noisy/noisy", [1.0, 2.0])
    assert summarised(tmp_path, rows).loc["ideal_mask", "si_sdri"]["mean"] == 13.0
    assert compared(tmp_path, rows).empty
    rows += per_mixture("conv/noisy/noisy--denoised-d", [3.0, 5.0])
    [row] = compared(tmp_path, rows).to_dict("records")
    sides = row["system_a"], row["system_b"]
    assert sides == ("conv/noisy/noisy--denoised-d", "conv/noisy/noisy")
    assert row["difference"] == 2.5


def test_summary_averages_sources_then_mixtures(tmp_path):
    rows = [
        ("m0", "conv/noisy/noisy", "s1", "si_sdri", 1.0),
        ("m0", "conv/noisy/noisy", "s2", "si_sdri", 3.0),
        ("m1", "conv/noisy/noisy", "s1", "si_sdri", 7.0),
        ("m1", "conv/noisy/noisy", "s2", "si_sdri", np.nan),
        ("m2", "conv/noisy/noisy", "s1", "si_sdri", np.nan),
        ("m2", "conv/noisy/noisy", "s2", "si_sdri", np.nan),
        ("m3", "conv/noisy/noisy", "s1", "si_sdri", 3.0),
        ("m0", "conv/noisy/noisy", "s1", "pesq", np.nan),
    ]
    table = summarised(tmp_path, rows)
    row = table.loc["conv/noisy/noisy", "si_sdri"]
    assert (row["mean"], row["median"]) == (4.0, 3.0)
    assert (row["mixtures"], row["missing"]) == (3, 3)
    assert 2 <= row["low"] <= 4 <= row["high"] <= 7
    row = table.loc["conv/noisy/noisy", "pesq"]
    assert row["mixtures"] == 0 and row["missing"] == 1
    assert np.isnan(row["mean"]) and np.isnan(row["low"])


def test_summary_keeps_the_two_baselines_apart(tmp_path):
    rows = per_mixture("mixture", [-5.0, -7.0], "si_sdr")
    rows += per_mixture("mixture-mix_clean", [1.0, 3.0], "si_sdr", "mix_clean")
    table = summarised(tmp_path, rows)
    assert table.loc["mixture", "si_sdr"]["mean"] == -6
    assert table.loc["mixture-mix_clean", "si_sdr"]["mean"] == 2


def test_summary_does_not_depend_on_the_other_systems(tmp_path):
    values = np.random.default_rng(0).normal(size=30)
    alone = summarised(tmp_path, per_mixture("b/noisy/noisy", values), seed=3)
    rows = per_mixture("a/noisy/noisy", values + 1) + per_mixture("b/noisy/noisy", values)
    both = summarised(tmp_path, rows, seed=3)
    pd.testing.assert_series_equal(
        alone.loc["b/noisy/noisy", "si_sdri"], both.loc["b/noisy/noisy", "si_sdri"]
    )


def test_interval_width_is_that_of_the_normal_theory():
    values = np.random.default_rng(0).normal(2, 3, size=4000)
    ([low], [high]) = Bootstrap(4000).intervals(pd.DataFrame(values))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(4000), rel=0.05)


def test_interval_of_one_value_is_unknown():
    values = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 1.0]})
    low, high = Bootstrap(100).intervals(values)
    np.testing.assert_array_equal([low, high], [[np.nan, 1], [np.nan, 1]])


def test_comparison_of_a_hand_made_table(tmp_path):
    rows = per_mixture("conv/denoised-d/denoised-d", [3.0, 5.0, 2.0, 6.0])
    rows += per_mixture("conv/noisy/noisy", [1.0, 5.0, 3.0, 3.0])
    row = compared(tmp_path, rows, confidence=0.9).iloc[0]
    assert (row["system_a"], row["system_b"]) == ("conv/denoised-d/denoised-d", "conv/noisy/noisy")
    assert row["metric"] == "si_sdri"
    assert (row["mean_a"], row["mean_b"], row["difference"]) == (4, 3, 1)
    assert row["win_rate"] == 0.5  # a tie is not a win
    assert (row["mixtures"], row["confidence"]) == (4, 0.9)


def test_comparison_uses_only_the_values_that_both_have(tmp_path):
    rows = per_mixture("conv/clean/noisy", [1.0, np.nan, 4.0])
    rows += per_mixture("conv/clean/noisy", [9.0, 9.0, 9.0], source="s2")
    rows += per_mixture("conv/noisy/noisy", [0.0, 2.0, 2.0])
    rows += per_mixture("conv/noisy/noisy", [np.nan, np.nan, 8.0], source="s2")
    row = compared(tmp_path, rows).iloc[0]
    assert row["mixtures"] == 2
    assert row["difference"] == pytest.approx((1.0 + (2.0 + 1.0) / 2) / 2)


def test_paired_interval_is_tighter_than_unpaired(tmp_path):
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 3, 200)
    a, b = (difficulty + rng.normal(gain, 0.5, 200) for gain in (0.3, 0.0))
    rows = per_mixture("conv/denoised-d/denoised-d", a) + per_mixture("conv/noisy/noisy", b)
    paired = compared(tmp_path, rows).iloc[0]
    summary = summarised(tmp_path, rows)
    width = (summary["high"] - summary["low"]).pow(2).sum() ** 0.5
    assert paired["high"] - paired["low"] < width / 3
    assert paired["low"] > 0


def test_pairs_share_a_separator_or_both_conditions(tmp_path):
    systems = ["x/noisy/noisy", "x/clean/noisy", "y/noisy/noisy", "y/clean/clean"]
    rows = [row for system in systems for row in per_mixture(system, [1.0, 2.0])]
    for name in "de":
        rows += per_mixture(f"denoised-{name}", [1.0, 2.0], source="mix_clean")
    rows += per_mixture("mixture", [1.0, 2.0], "si_sdr")
    table = compared(tmp_path, rows)
    assert set(zip(table["system_a"], table["system_b"], strict=True)) == {
        ("x/clean/noisy", "x/noisy/noisy"),
        ("x/noisy/noisy", "y/noisy/noisy"),
        ("y/clean/clean", "y/noisy/noisy"),
        ("denoised-d", "denoised-e"),
    }


def test_comparison_of_nothing_is_an_empty_table(tmp_path):
    table = compared(tmp_path, per_mixture("x/noisy/noisy", [1.0]))
    assert table.empty and set(aggregate.COMPARISON) <= set(table)


def test_four_sources_and_every_metric(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        row
        for system in ("x/clean/noisy", "x/noisy/noisy")
        for metric in (*reversed(aggregate.COMPARED), "sir")
        for source in ("s1", "s2", "s3", "s4")
        for row in per_mixture(system, rng.normal(size=5), metric, source)
    ]
    assert list(compared(tmp_path, rows)["metric"]) == list(aggregate.COMPARED)
    assert (summarised(tmp_path, rows)["mixtures"] == 5).all()


@pytest.mark.parametrize("metric, wins", [("wer", 0.75), ("cer", 0.75), ("pesq", 0.25)])
def test_fewer_errors_win(tmp_path, metric, wins):
    rows = per_mixture("conv/clean/noisy", [10.0, 20.0, 30.0, 90.0], metric)
    rows += per_mixture("conv/noisy/noisy", [20.0, 30.0, 40.0, 50.0], metric)
    assert compared(tmp_path, rows)["win_rate"].item() == wins


def test_improvements_say_why_they_are_undefined(tmp_path):
    rows = per_mixture("mixture", [-5.0, np.nan, np.nan], "si_sdr")
    rows += per_mixture("conv/noisy/noisy", [1.0, 2.0, np.nan], "si_sdr")
    aggregate.combine([write_scores(tmp_path / "a.csv", rows)], tmp_path / "out.csv")
    table = read_manifest(tmp_path / "out.csv")
    reasons = table[table["metric"] == "si_sdri"]["undefined"].fillna("").tolist()
    assert reasons == ["", NO_BASELINE, "silent"]
    assert (table["value"].isna() == table["undefined"].notna()).all()
