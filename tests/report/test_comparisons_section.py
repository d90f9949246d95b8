"""Paired comparisons: tables, figure and what the plots are drawn from."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered
from report.scored import MATRIX, drawn, ids, write_run
from systems import path_of

from pipeline.base.files import read_manifest
from pipeline.report.run import Run
from pipeline.report.sections import comparisons
from pipeline.report.site import Site

PAIR = [path_of("net/denoised-d/denoised-d"), path_of("net/noisy/noisy")]


def page_of(inputs, folder) -> str:
    return rendered(inputs, folder / "index.html", "comparisons")


def embedded(text):
    """The data of the plots, as a browser reads them."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text)[1])


def test_those_on_the_question_come_first(tmp_path):
    run = Run(write_run(tmp_path, {"si_sdri": drawn(MATRIX), "stoi": drawn(MATRIX)}))
    bearing, others = comparisons.split(run.comparisons)
    tested = ("denoised-d", "noisy")
    pairs = {tuple(path_of(f"net/{c}/{t}") for t in tested) for c in ("clean", *tested)}
    rivals = {tuple(PAIR), (path_of("net/clean/denoised-d"), PAIR[1])}
    assert set(zip(bearing["system_a"], bearing["system_b"], strict=True)) == pairs | rivals
    assert set(bearing["metric"]) == {"si_sdri"}
    assert len(bearing) + len(others) == len(run.comparisons) == 2 * 36


def test_a_chain_is_held_against_direct_systems_and_is_no_rival(tmp_path):
    systems = ["net/clean/denoised-d", "net/noisy/noisy", "joint/noisy/noisy", "joint/noisy/clean"]
    run = Run(write_run(tmp_path, {"si_sdri": drawn(systems)}))
    bearing, _ = comparisons.split(run.comparisons, {"joint"})
    found = {frozenset(pair) for pair in zip(bearing["system_a"], bearing["system_b"], strict=True)}
    cascade, direct, joint, _ = map(path_of, systems)
    assert found == {frozenset([cascade, direct]), frozenset([direct, joint])}
    config = {"separators": {"joint": {"model": "chain"}, "net": {"model": "conv_tasnet"}}}
    assert Run(replace(run.inputs, config=config)).chains == {"joint"}


def test_other_forms_of_a_denoiser_are_on_the_question(tmp_path):
    systems = ["net/noisy/noisy--denoised-d", "net/denoised-d/denoised-d-dry20", "net/noisy/noisy"]
    systems += ["net/denoised-d/denoised-d", "net/denoised-d/noisy"]
    run = Run(write_run(tmp_path, {"si_sdri": drawn(systems)}))
    bearing, _ = comparisons.split(run.comparisons)
    found = {frozenset(pair) for pair in zip(bearing["system_a"], bearing["system_b"], strict=True)}
    after, shared, direct, cascade, other = map(path_of, systems)
    pairs = [(after, direct), (shared, direct), (cascade, direct), (shared, other)]
    assert found == {frozenset(pair) for pair in [*pairs, (cascade, other)]}
    # Trained on what they are given: first.
    assert set(bearing["system_a"][:3]) | set(bearing["system_b"][:3]) == {
        *(after, shared, direct, cascade)
    }


def test_without_any_on_the_question_all_stand_in_one_table(tmp_path):
    run = Run(write_run(tmp_path, {"si_sdri": drawn(["net/clean/clean", "net/noisy/noisy"])}))
    bearing, others = comparisons.split(run.comparisons)
    assert len(bearing) == 1 and others.empty
    made = comparisons.content(run, Site(tmp_path / "report"))
    assert made["bearing"].caption == "Paired differences" and made["others"] is None


def test_numbers_equal_the_table_of_the_evaluation(tmp_path):
    inputs = write_run(tmp_path, {"si_sdri": drawn(PAIR)})
    text = page_of(inputs, tmp_path / "report")
    row = read_manifest(inputs.comparisons).iloc[0]
    number = f"{row['difference']:+.2f}".replace("-", "−")
    assert f">{number}<small>" in text
    written = pd.read_csv(tmp_path / "report/tables/comparisons.csv").iloc[0]
    shown = [written[f"A − B{end}"] for end in ("", " low", " high")]
    assert shown == pytest.approx(row[["difference", "low", "high"]].tolist())
    assert written["A better in (%)"] == pytest.approx(100 * row["win_rate"])


def test_the_costs_of_both_sides_stand_beside_each_comparison(tmp_path):
    inputs = write_run(tmp_path, {"si_sdri": drawn(PAIR)})
    table = comparisons.comparison_table(Run(inputs).comparisons, "")
    [row] = table.rows
    cells = dict(zip(table.columns, row.cells, strict=True))
    assert (cells["size (M)"].text, cells["size (M)"].below) == ("0.691", "0.345")
    compute = cells["compute (T)"]
    assert (compute.text, compute.below) == ("13", "6.50")
    assert cells["steps"].text == "500" and cells["minutes"].below == "3.75"
    assert cells["equal"].text == "not of equal size or compute"
    assert "Equal are sizes that differ by at most 5 %" in table.notes[1]


@pytest.mark.parametrize(
    ("size", "compute", "words"),
    [
        (True, True, "size and compute"),
        (False, True, "not of equal size"),
        (True, False, "not of equal compute"),
        (None, None, "–"),
        (False, None, "not of equal size"),
        (True, None, "size, compute unknown"),
        (float("nan"), True, "compute, size unknown"),
    ],
)
def test_what_is_equal_is_marked(size, compute, words, tmp_path):
    pairs = Run(write_run(tmp_path, {"si_sdri": drawn(PAIR)})).comparisons
    pairs = pairs.assign(equal_size=size, equal_compute=compute)
    assert comparisons.comparison_table(pairs, "").rows[0].cells[5].text == words


def test_where_lower_is_better_the_table_says_so(tmp_path):
    run = Run(write_run(tmp_path, {"wer": drawn(PAIR)}))
    table = comparisons.comparison_table(run.comparisons, "")
    assert table.rows[0].cells[1].below == "lower is better"
    assert comparisons.explorer(run)["metrics"][0]["lowIsGood"] is True


def test_plots_get_every_score_and_interval(tmp_path):
    scores = {"si_sdri": drawn(MATRIX), "stoi": drawn(MATRIX, seed=1)}
    scores["si_sdri"][PAIR[1]][3] = np.nan
    run = Run(write_run(tmp_path, scores))
    data = comparisons.explorer(run)
    assert data["mixtures"] == ids(12) and len(data["systems"]) == 9
    for metric, (name, by_system) in zip(data["metrics"], scores.items(), strict=True):
        for place, system_name in enumerate(run.systems):
            values = np.array(metric["values"][place], float) / metric["scale"]
            expected = by_system[system_name].mean(axis=1)
            np.testing.assert_allclose(values, expected, atol=0.6 / metric["scale"], err_msg=name)
        for a, b, *numbers in metric["pairs"]:
            rows = run.comparisons.set_index(["system_a", "system_b", "metric"])
            row = rows.loc[(run.systems[a], run.systems[b], name)]
            assert numbers == row[["difference", "low", "high"]].tolist()
    assert data["metrics"][0]["values"][run.systems.index(PAIR[1])][3] is None
    assert [len(metric["pairs"]) for metric in data["metrics"]] == [36, 36]


@pytest.mark.parametrize(
    ("systems", "pair"),
    [
        (MATRIX, PAIR),
        # Without a separator that was trained on denoised mixtures, in another metric.
        (MATRIX[:3], [MATRIX[2], MATRIX[1]]),
        (MATRIX[:2], MATRIX[:2]),
    ],
)
def test_plots_begin_with_a_pair_on_the_question(tmp_path, systems, pair):
    run = Run(write_run(tmp_path, {"stoi": drawn(systems)}))
    chosen = comparisons.explorer(run)["chosen"]
    assert [run.systems[place] for place in chosen] == pair


def test_mixtures_to_listen_to_are_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(comparisons, "listed", lambda run: ["test-004", "test-001"])
    assert comparisons.explorer(Run(write_run(tmp_path, {"stoi": drawn(PAIR)})))["listed"] == [1, 4]


def test_names_cannot_break_out_of_the_data(tmp_path):
    evil = "</script><script>alert(1)</script>&'\""
    facts = {"source_1_speaker": evil, "source_2_speaker": "Ärnó", "noise": evil}
    text = page_of(write_run(tmp_path, {"stoi": drawn(PAIR)}, facts), tmp_path / "r")
    assert "<script>alert" not in text
    assert embedded(text)["facts"]["speakers"][0] == f"{evil}, Ärnó"
    assert embedded(text)["facts"]["noise"][0] == evil


def test_a_large_run_stays_below_3_megabytes(tmp_path):
    systems = [*MATRIX, "other/noisy/noisy", "other/clean/clean", "other/denoised-d/denoised-d"]
    metrics = ("si_sdri", "si_sdr", "sdri", "sdr", "sir", "sar", "stoi", "pesq")
    facts = {f"source_{k}_speaker": "1089" for k in (1, 2, 3)} | {"noise": "office_fs335711_0"}
    scores = {name: drawn(systems, mixtures=100, sources=1) for name in metrics}
    run = Run(write_run(tmp_path, scores, facts))
    data = comparisons.explorer(run)
    without_pairs = data | {"metrics": [m | {"pairs": []} for m in data["metrics"]]}
    assert 30 * len(json.dumps(without_pairs)) < 3e6  # 100 mixtures of 3000


def test_the_script_is_that_of_the_package(tmp_path):
    text = page_of(write_run(tmp_path, {"stoi": drawn(PAIR)}), tmp_path / "report")
    script = tmp_path / "report/assets/plotly.min.js"
    assert script.read_bytes() == (files("plotly") / "package_data/plotly.min.js").read_bytes()
    assert '<script src="assets/plotly.min.js" defer>' in text


@pytest.mark.parametrize(
    "scores",
    [
        drawn(PAIR[:1]),
        drawn(PAIR, mixtures=1),
        drawn(PAIR, mixtures=2),
        drawn(PAIR, mixtures=300),
        dict.fromkeys(PAIR, np.ones((9, 1))),
        drawn([f"net{k}/{c}" for k in range(4) for c in ("noisy/noisy", "noisy/denoised-d")]),
    ],
    ids=["one system", "one mixture", "two mixtures", "many", "all equal", "four pairs"],
)
def test_the_figure_is_always_there(tmp_path, scores):
    run, site = Run(write_run(tmp_path, {"si_sdri": scores})), Site(tmp_path / "report")
    assert (comparisons.content(run, site) is None) == (len(scores) == 1)
    assert site.figure("differences").read_text(encoding="utf-8").count("<svg") == 1


def test_of_many_pairs_those_trained_on_what_they_hear_are_drawn_first(tmp_path):
    systems = [name.replace("/net/", f"/net{k}/") for k in range(3) for name in MATRIX]
    run = Run(write_run(tmp_path, {"si_sdri": drawn(systems)}))
    pairs = comparisons.differences(run, comparisons.split(run.comparisons)[0])
    assert len(pairs) == comparisons.DRAWN
    # Each cascade against the direct system of every network.
    label, other = (f"trained on {c}, tested on {c}" for c in ("denoised-d", "noisy"))
    expected = [(f"net{k}: {label}", f"net{n}: {other}") for k in range(3) for n in range(3)]
    assert {frozenset((pair.a, pair.b)) for pair in pairs} <= set(map(frozenset, expected))
    assert (pairs[0].a, pairs[0].b) == expected[0]
    values = run.values("si_sdri")
    a, b = (path.replace("/net/", "/net0/") for path in PAIR)
    expected = values[a] - values[b]
    assert (pairs[0].values == expected).all() and pairs[0].mean == pytest.approx(expected.mean())


def test_pairs_without_an_interval_are_shown_without_one(tmp_path):
    inputs = write_run(tmp_path, {"si_sdri": drawn(PAIR, mixtures=1)})
    table = read_manifest(inputs.comparisons).assign(low=np.nan, high=np.nan)
    table.to_csv(inputs.comparisons, index=False)
    text = page_of(inputs, tmp_path / "report")
    assert embedded(text)["metrics"][0]["pairs"] == []
    assert "nan" not in text.lower().split("<svg")[0] and 'class="strong"' not in text
