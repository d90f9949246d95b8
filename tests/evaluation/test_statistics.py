"""The intervals of whole tables contain a known truth at their nominal rate."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from systems import with_columns, with_short

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.aggregate import COMPARED, compare, summarise
from pipeline.evaluation.bootstrap import Bootstrap

pytestmark = pytest.mark.slow  # hundreds of tables

MEAN, DIFFERENCE = 3.0, 0.5  # of the noisy system; of the denoised one to it
SYSTEMS = ("conv/denoised-d/denoised-d", "conv/noisy/noisy")
MIXTURES, CONFIDENCE, TABLES = 40, 0.95, 40
REPETITIONS = TABLES * len(COMPARED)


def write_table(path, rng):
    """Scores of two systems by every compared metric, each metric an experiment of its own.

    Mixtures differ in difficulty, equally for both systems, and in the gain by denoising, equally
    for both sources; sources differ too; and the noise has heavy tails.
    """
    shape = (len(COMPARED), MIXTURES, 1)
    difficulty, gain = rng.normal(0, 3, shape), DIFFERENCE + rng.normal(0, 1, shape)
    base = MEAN + difficulty + np.array([1.0, -1.0])
    noise = 1.5 * rng.standard_t(3, (2, *base.shape))
    values = np.stack([base + gain, base]) + noise  # [systems, metrics, mixtures, sources]
    ids = [f"m{i:02d}" for i in range(MIXTURES)]
    names = ["system", "metric", "mixture_id", "source"]
    index = pd.MultiIndex.from_product([SYSTEMS, COMPARED, ids, ["s1", "s2"]], names=names)
    table = pd.DataFrame({"value": values.ravel()}, index=index).reset_index()
    write_manifest(path, with_columns(table))


@pytest.fixture(scope="module")
def intervals(tmp_path_factory):
    """`compare` and `summarise` of many tables: mixtures, low and high of every experiment."""
    folder, rng = tmp_path_factory.mktemp("coverage"), np.random.default_rng(0)
    compared, summaries = [], []
    for _ in range(TABLES):
        write_table(folder / "scores.csv", rng)
        for function, found in ((compare, compared), (summarise, summaries)):
            function(folder / "scores.csv", folder / "out.csv", Bootstrap(1000, CONFIDENCE))
            found.append(read_manifest(folder / "out.csv"))
    summary = with_short(pd.concat(summaries)).query("system == @SYSTEMS[1]")
    return {"compare": pd.concat(compared), "summarise": summary}


@pytest.mark.parametrize("name, truth", [("compare", DIFFERENCE), ("summarise", MEAN)])
def test_intervals_cover_the_truth_at_the_nominal_rate(intervals, name, truth):
    table = intervals[name]
    assert len(table) == REPETITIONS >= 300
    assert (table["mixtures"] == MIXTURES).all()
    covered = table["low"].le(truth).mul(table["high"].ge(truth)).mean()
    # The percentile bootstrap is short of the nominal rate in small samples: it takes the normal
    # quantile where Student's belongs, and the variance over n where n - 1 belongs.
    reach = stats.norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt((MIXTURES - 1) / MIXTURES)
    expected = 1 - 2 * stats.t.sf(reach, MIXTURES - 1)
    assert 0.935 < expected < CONFIDENCE
    # Three standard errors of a share of so many repetitions, on either side.
    slack = 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / REPETITIONS)
    assert expected - slack < covered < CONFIDENCE + slack


def test_an_unpaired_or_a_source_wise_interval_would_not(intervals):
    """The purpose of pairing and clustering: the interval widths with them, and without them."""
    width = (intervals["compare"]["high"] - intervals["compare"]["low"]).mean()
    noise = 1.5**2 * 3  # the variance of Student's t with 3 degrees of freedom is 3
    paired = np.sqrt((1 + 2 * noise / 2) / MIXTURES)
    assert width == pytest.approx(2 * 1.96 * paired, rel=0.1)
    unpaired = np.sqrt((1 + 2 * 3**2 + 2 * noise / 2) / MIXTURES)
    source_wise = np.sqrt((1 + 2 * noise) / (2 * MIXTURES))
    assert width < 0.7 * 2 * 1.96 * unpaired
    assert source_wise < paired
