import json
import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered
from safetensors.numpy import save_file
from systems import path_of

from pipeline.base.files import read_manifest, write_manifest
from pipeline.models.card import FORMAT, read_card
from pipeline.report.figures.latency import MOST, draw_latency, draw_latency_length
from pipeline.report.figures.quality_cost import Costed, draw_quality_cost
from pipeline.report.figures.quality_latency import Point, draw_quality_latency
from pipeline.report.run import Run
from pipeline.report.sections import latency
from pipeline.report.site import Site

NET, DENOISED = "conv_tasnet", "denoised-conv_tasnet"
FIGURES = ("latency", "latency_length", "quality_latency", "quality_cost")
CAUSAL = {"norm": "cLN", "causal": True}  # 16 samples a frame: 15 of them are ahead


@pytest.fixture
def tree(builder):
    return builder().build()


@pytest.fixture
def run(tree) -> Run:
    return Run(tree.inputs)


def by_heading(table):
    return {(row.heading, row.below): row.cells for row in table.rows}


def test_percentiles_of_networks_are_those_of_the_csv(run):
    table = latency.network_table(run)
    assert [row.cells[3].value for row in table.rows] == run.latency_summary["p99_ms"].tolist()
    assert table.columns[3] == "p99 (ms)"
    assert {row.cells[-1].text for row in table.rows} == {"whole recording"}


def test_several_settings_are_named(tree, run, tmp_path):
    assert latency.mixed(run.latency) == []
    changed = run.latency.assign(threads=1)
    changed.loc[(changed["stage"] == "denoise") & (changed.index % 2 == 0), "threads"] = 2
    lines = latency.mixed(changed)
    assert f"denoise {NET}: cpu with 2 threads and cpu with 1 thread" in lines
    assert f"separate {NET}/noisy: cpu with 1 thread" in lines
    write_manifest(tree.inputs.latency, changed)
    page = rendered(tree.inputs, tmp_path / "page", "latency")
    assert "Not everything was timed under one setting" in page and lines[0] in page


def test_end_to_end_is_both_stages_of_the_same_mixture(run):
    wide = run.latency.pivot(index="mixture_id", columns=["stage", "model", "tested"])
    rows = wide["latency_ms"].sort_index(axis=1)
    separate = rows["separate", f"{NET}/noisy"]
    both = rows["denoise", NET, "noisy"] + separate[DENOISED]
    cells = by_heading(latency.total_table(run, latency.end_to_end(run)))
    helped = cells[f"trained on noisy, tested on {DENOISED}", NET]
    direct = cells["trained on noisy, tested on noisy", NET]
    assert helped[0].text == "denoise, then separate" and direct[0].text == "separate alone"
    for place, percent in enumerate((50, 95, 99), 1):
        assert helped[place].value == pytest.approx(np.percentile(both, percent))
        assert direct[place].value == pytest.approx(np.percentile(separate["noisy"], percent))
    assert helped[4].value == pytest.approx((both / 1000).median())  # of recordings of 1 s


def test_oracles_and_untimed_systems_have_no_end_to_end(tree, run):
    assert set(latency.end_to_end(run)) == set(run.realistic)
    table = read_manifest(tree.inputs.latency)
    lost = (table["task"] == "denoise") & (table["mixture_id"] == "test-0001")
    table[~lost].to_csv(tree.inputs.latency, index=False)
    left = latency.end_to_end(Run(tree.inputs))
    assert set(left) == {name for name in run.realistic if name.endswith("/noisy")}


def test_a_denoiser_behind_a_separator_is_in_the_time_of_the_whole(builder):
    after = f"{NET}/noisy/noisy--{DENOISED}"
    tree = builder(systems=[f"{NET}/noisy/noisy", after]).build()
    for path in tree.inputs.weights.values():
        card = replace(read_card(path), arguments=CAUSAL)
        about = {"format": FORMAT, "card": json.dumps(asdict(card))}
        save_file({"w": np.ones(3, np.float32)}, path, about)
    run = Run(tree.inputs)
    cells = by_heading(latency.total_table(run, latency.end_to_end(run)))
    label = f"trained on noisy, tested on noisy, separated, then denoised by {NET}"
    own = run.latency[run.latency["system"] == path_of(after)]["latency_ms"]
    assert cells[label, NET][0].text == "separate, then denoise"
    assert cells[label, NET][1].value == pytest.approx(own.median())
    assert cells[label, NET][-1].value == pytest.approx(2 * 15 / 8)
    # It says nothing of either network by itself.
    below = [row.below for row in latency.network_table(run).rows]
    assert below == ["on noisy", "on noisy"] and len(run.latency_summary) == 3
    assert latency.by_itself(run.latency[:0]).columns.equals(run.latency.columns)
    runs = [row.below for row in latency.throughput_table(run).rows]
    assert f"test split, noisy, separated, then denoised by {NET}" in runs
    [(cost)] = latency.cost_table(run, latency.end_to_end(run)).rows
    assert cost.heading == label and cost.cells[0].text == "trained on noisy, tested on noisy"


def test_look_ahead_adds_up_over_the_stages(tree):
    for path in tree.inputs.weights.values():
        card = replace(read_card(path), arguments=CAUSAL)
        about = {"format": FORMAT, "card": json.dumps(asdict(card))}
        save_file({"w": np.ones(3, np.float32)}, path, about)
    run = Run(tree.inputs)
    cells = by_heading(latency.total_table(run, latency.end_to_end(run)))
    assert cells["trained on noisy, tested on noisy", NET][-1].text == "1.9 ms"
    both = cells[f"trained on noisy, tested on {DENOISED}", NET][-1]
    assert both.value == pytest.approx(2 * 15 / 8)


def test_unknown_weights_have_no_look_ahead(tree):
    run = Run(replace(tree.inputs, weights={}))
    table = latency.network_table(run)
    assert {row.cells[-1].text for row in table.rows} == {"–"}


def test_cost_of_denoising_stands_beside_its_gain(run):
    totals = latency.end_to_end(run)
    table = latency.cost_table(run, totals)
    rows = {(row.heading, row.cells[0].text): row.cells for row in table.rows}
    assert len(rows) == 4  # three with the same training, each with its own input
    matched = rows[
        f"trained on {DENOISED}, tested on {DENOISED}", "trained on noisy, tested on noisy"
    ]
    a, b = path_of(f"{NET}/{DENOISED}/{DENOISED}"), path_of(f"{NET}/noisy/noisy")
    pairs = run.comparisons.set_index(["metric", "system_a", "system_b"])
    row = pairs.loc["si_sdri", b, a]  # with the roles exchanged
    assert matched[1].value == pytest.approx(-row["difference"])
    assert (matched[1].low, matched[1].high) == pytest.approx((-row["high"], -row["low"]))
    added = totals[a]["milliseconds"] - totals[b]["milliseconds"]
    assert matched[2].value == pytest.approx(added.median())


def test_systems_that_were_not_compared_have_a_dash(tree):
    tree.inputs.comparisons.write_text("\n")
    run = Run(tree.inputs)
    table = latency.cost_table(run, latency.end_to_end(run))
    assert {row.cells[1].text for row in table.rows} == {"–"}


def test_page_states_the_numbers_the_device_and_the_figures(tree, run):
    text = rendered(tree.inputs, tree.index, "latency")
    assert "timed on cpu with 1 thread, from" in text
    for value in run.latency_summary["p50_ms"]:
        assert f">{value:.1f}<" in text
    written = pd.read_csv(tree.index.parent / "tables/latency-networks.csv")
    assert written["p50 (ms)"].tolist() == run.latency_summary["p50_ms"].tolist()
    assert (
        text.count("<svg") == len(FIGURES) - 1
    )  # one network has no other to compare its cost with


def test_throughput_is_separate_from_latency(tree, run):
    table = latency.throughput_table(run)
    assert table.columns[:3] == ["audio hours an hour", "device busy (%)", "batch"]
    first, *others = table.rows
    assert first.heading == f"denoise: {NET}" and first.below == "train split, noisy"
    assert [cell.text for cell in first.cells[:3]] == ["720.0", "97.5", "16"]
    assert len(others) == len(run.systems)
    text = rendered(tree.inputs, tree.index, "latency")
    assert text.index("Each network by itself") < text.index("<h3>Throughput")
    written = pd.read_csv(tree.index.parent / "tables/throughput.csv")
    assert written["device busy (%)"].tolist() == [97.5] + [80.0] * len(others)


def test_times_without_scores_are_shown_alone(builder):
    tree = builder(metrics=["stoi"]).build()
    summary = read_manifest(tree.inputs.summary).assign(mean=np.nan)
    summary.to_csv(tree.inputs.summary, index=False)
    text = rendered(tree.inputs, tree.index, "latency")
    assert "By stage" in text and "Cost and benefit of denoising" not in text


def test_without_latency_there_are_figures_and_no_section(builder, tmp_path):
    tree = builder(mixtures=1).build(timed=False)
    site = Site(tmp_path / "site")
    assert latency.content(Run(tree.inputs), site) is None
    assert all(site.figure(name).exists() for name in FIGURES)


def test_figures_are_the_same_each_time(run, tmp_path):
    sites = [Site(tmp_path / name) for name in "ab"]
    for site in sites:
        latency.content(run, site)
    for name in FIGURES:
        assert len({site.figure(name).read_bytes() for site in sites}) == 1


def test_latency_has_a_panel_a_network(tmp_path):
    rows = [("denoise", "d", 5.0), ("separate", "n/clean", 9.0), ("separate", "n/noisy", 11.0)]
    table = pd.DataFrame(rows, columns=["stage", "model", "latency_ms"])
    draw_latency(table, tmp_path / "l.svg")
    text = (tmp_path / "l.svg").read_text()
    assert "denoise: d  (n = 1)" in text and "separate: n  (n = 2)" in text and "p50 10" in text


def test_length_figure_names_factors_and_stays_small(tmp_path):
    seconds = np.linspace(2, 10, 5000)
    table = pd.DataFrame({"audio_seconds": seconds, "latency_ms": 20 * seconds})
    table = table.assign(stage="denoise", model="d", mixture_id=range(5000))
    draw_latency_length(table, tmp_path / "l.svg")
    text = (tmp_path / "l.svg").read_text()
    assert re.findall(r"RTF [\d.]+", text) == ["RTF 0.01", "RTF 0.02", "RTF 0.05"]
    assert "denoise: d" in text and MOST < text.count("<use") < MOST + 60


def test_every_system_is_a_labelled_point(tmp_path):
    points = [
        Point("n", trained, tested, 50.0, 3.0, 2.0, 4.0)  # all at the same place
        for trained in ("clean", "noisy", "denoised-x")
        for tested in ("noisy", "denoised-x")
    ]
    draw_quality_latency(points, "si_sdri", tmp_path / "q.svg")
    text = (tmp_path / "q.svg").read_text()
    assert all(text.count(f">{label}<") == 2 for label in ("clean", "noisy", "x"))
    assert "input: mixtures denoised by x" in text and "SI-SDRi (dB)" in text
    after = [Point("n", "noisy", "noisy--denoised-x", 50.0, 3.0, 2.0, 4.0)]
    draw_quality_latency(points + after, "si_sdri", tmp_path / "after.svg")
    words = "input: noisy mixtures, separated, then denoised by x"
    assert words in (tmp_path / "after.svg").read_text()
    heights = re.findall(r'<text[^>]*y="([\d.]+)"[^>]*>(?:clean|noisy|x)<', text)
    assert len(heights) == len(set(heights))  # no label overlaps another


def test_every_network_is_a_point_of_its_cost(tmp_path):
    networks = [
        Costed(f"net_{k}", 10.0 * 2**k, 1e9 * 2**k, 5.0 + k, 4.0 + k, 6.0 + k) for k in range(8)
    ]
    draw_quality_cost(networks, "si_sdri", tmp_path / "c.svg")
    text = (tmp_path / "c.svg").read_text()
    assert all(text.count(f">net_{k}<") == 2 for k in range(8))
    assert "time (ms for 1 s of audio)" in text and "multiply-adds (G for 1 s" in text
    assert "mathdefault" not in text and all(f">{tick}<" in text for tick in (20, 50, 100, 500))


def test_costs_are_those_of_direct_networks(run):
    totals = latency.end_to_end(run)
    [found] = latency._costed(run, dict(latency._points(run, totals)), totals)
    direct = path_of(f"{NET}/noisy/noisy")
    assert found.name == NET
    assert found.milliseconds == pytest.approx(totals[direct]["milliseconds"].median())  # of 1 s
    assert found.multiply_adds == 271e6
    assert found.mean == run.means("si_sdri").at[direct, "mean"]
