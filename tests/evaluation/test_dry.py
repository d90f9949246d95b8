"""The share of the mixture that is chosen on dev, and what it gains on test."""

import numpy as np
import pandas as pd
import pytest

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.dry import SWEEP, chosen_shares, summarise_dry
from pipeline.evaluation.score import COLUMNS
from pipeline.evaluation.undefined import SILENT_EITHER
from pipeline.tasks.grammar import System

SHARES = (0.0, 0.1, 0.2)
IDS = [f"m{n}" for n in range(20)]
SYSTEM = "separate/direct/noisy/{}/denoised-x"


def table(means, runs=1, seed=0, system=SYSTEM):
    """SI-SDRi of two sources of each mixture; `means` are those of the shares."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 2, (len(IDS), 2))
    rows = [
        {"mixture_id": name, **System.parse(system.format(run)).columns, "source": f"s{k + 1}"}
        | {"dry": share, "si_sdri": mean + difficulty[place, k] + 0.1 * run * share}
        for run in range(runs)
        for share, mean in zip(SHARES, means, strict=True)
        for place, name in enumerate(IDS)
        for k in range(2)
    ]
    return pd.DataFrame(rows)


def swept(folder, dev, test):
    """What `summarise_dry` writes for tables of dev and test."""
    for name, tables in (("dev", dev), ("test", test)):
        for number, part in enumerate(tables):
            write_manifest(folder / f"{name}{number}.csv", part)
    speakers = {f"source_{k}_speaker": [f"r{n % 7}" for n in range(len(IDS))] for k in (1, 2)}
    paths = {f"source_{k}_path": "x.wav" for k in (1, 2)}
    mixtures = pd.DataFrame({"mixture_id": IDS, "noise": [f"n{n % 5}" for n in range(len(IDS))]})
    write_manifest(folder / "mixtures.csv", mixtures.assign(**speakers, **paths))
    files = [sorted(folder.glob(f"{name}?.csv")) for name in ("dev", "test")]
    summarise_dry(*files, folder / "mixtures.csv", folder / "dry.csv", Bootstrap(200))
    return read_manifest(folder / "dry.csv")


def test_the_share_is_chosen_on_dev_and_shown_on_test(tmp_path):
    dev, test = table([1.0, 3.0, 2.0]), table([5.0, 5.5, 7.0], seed=1)
    found = swept(tmp_path, [dev], [test]).set_index("dry")
    assert found["chosen"].tolist() == [False, True, False]  # on test it would be the last one
    for column, of in (("dev", dev), ("mean", test)):
        assert found[column].tolist() == pytest.approx(of.groupby("dry")["si_sdri"].mean().tolist())
    assert found["gain"].tolist() == pytest.approx([0, 0.5, 2.0])
    # The mixtures are equally difficult with every share, so that the differences do not vary.
    assert found.loc[0.1, ["gain_low", "gain_high"]].tolist() == pytest.approx([0.5, 0.5])
    assert (found["low"] < found["mean"]).all() and (found["mean"] < found["high"]).all()
    assert (found["mixtures"] == 20).all() and (found["trainings"] == 1).all()


def test_of_shares_that_are_equal_on_dev_the_lowest_is_chosen(tmp_path):
    found = swept(tmp_path, [table([2.0, 2.0, 1.0])], [table([1.0, 2.0, 3.0])])
    assert found["chosen"].tolist() == [True, False, False]


def test_several_trainings_widen_the_interval_of_the_gain(tmp_path):
    found = swept(tmp_path, [table([1, 2, 3], runs=3)], [table([1, 2, 3], runs=3)])
    last = found.iloc[-1]
    # The gains of the runs are 2.00, 2.02 and 2.04: t(2) times their standard error.
    assert last["gain"] == pytest.approx(2.02)
    assert last["gain_high"] - last["gain"] == pytest.approx(4.303 * 0.02 / np.sqrt(3), rel=1e-3)
    assert (found["trainings"] == 3).all()


def test_shares_are_compared_over_the_mixtures_that_have_a_value_with_each(tmp_path):
    """A silent estimate has no SI-SDR: with the share 0 three of four mixtures have none."""
    values = {0.0: [5, np.nan, np.nan, np.nan], 0.1: [4.9, 2, 2, 2], 0.2: [0, 0, 0, 0]}
    rows = [
        {"mixture_id": name, **System.parse(SYSTEM.format(0)).columns, "source": "s1"}
        | {"dry": share, "si_sdri": value}
        for share, of_share in values.items()
        for name, value in zip(IDS, of_share, strict=False)
    ]
    some = pd.DataFrame(rows)
    found = swept(tmp_path, [some], [some])
    assert found["dev"].tolist() == found["mean"].tolist() == [5, 4.9, 0]
    assert found["gain"].tolist() == pytest.approx([0, -0.1, -5])
    assert found["mixtures"].tolist() == [1, 1, 1]
    none = some.assign(si_sdri=np.nan)
    found = swept(tmp_path, [none], [some])
    assert found["dev"].isna().all() and not found["chosen"].any()
    found = swept(tmp_path, [some], [none])
    assert found["mean"].isna().all() and found["chosen"].tolist() == [True, False, False]


def test_each_system_has_its_own_share(tmp_path):
    alone = {"system": "denoise/x/noisy/{}/noisy"}
    dev = [table([1, 2, 3]), table([3, 2, 1], **alone)]
    found = swept(tmp_path, dev, [table([1, 2, 3]), table([1, 2, 3], **alone)])
    chosen = found[found["chosen"]].set_index("task")["dry"]
    assert chosen.to_dict() == {"separate": 0.2, "denoise": 0.0}


def test_no_sweep_is_a_table_without_rows(tmp_path):
    found = swept(tmp_path, [], [])
    assert list(found) == SWEEP and found.empty


def test_what_is_chosen_is_a_system_with_the_scores_of_that_share(tmp_path):
    alone, other = {"system": "denoise/x/noisy/{}/noisy"}, {"system": SYSTEM.replace("direct", "b")}
    dev = [table([1, 3, 2], 2), table([1, 3, 2], 2, **alone), table([3, 2, 1], 2, **other)]
    test = [table([5, 6, 7], 2, 1), table([5, 6, 7], 2, **alone), table([5, 6, 7], 2, **other)]
    test[0].loc[(test[0]["dry"] == 0.1) & (test[0]["mixture_id"] == "m3"), "si_sdri"] = np.nan
    swept(tmp_path, dev, test)
    files = sorted(tmp_path.glob("test?.csv"))
    found = chosen_shares(tmp_path / "dry.csv", files)
    # Not that of the denoiser alone, nor one of none, which is scored anyway.
    assert list(found) == COLUMNS and set(found["metric"]) == {"si_sdri"}
    assert set(found["tested"]) == {"denoised-x-dry10"} and set(found["name"]) == {"direct"}
    expected = test[0][test[0]["dry"] == 0.1]
    keys = ["mixture_id", "run", "source"]
    one, two = (part.set_index(keys) for part in (found, expected))
    assert len(one) == 2 * 2 * len(IDS)
    pd.testing.assert_series_equal(one["value"], two["si_sdri"], check_names=False)
    missing = one["value"].isna()
    assert missing.sum() == 4 and set(one["undefined"][missing]) == {SILENT_EITHER}
    assert one["undefined"][~missing].isna().all()
    for path in found["tested"].unique():
        assert System.parse(f"separate/direct/noisy/0/{path}").tested.dry == 10


def test_without_a_sweep_there_are_no_further_systems(tmp_path):
    swept(tmp_path, [], [])
    found = chosen_shares(tmp_path / "dry.csv", [])
    assert list(found) == COLUMNS and found.empty
