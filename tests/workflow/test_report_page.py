"""The report of a real run, in a browser."""

import re

import pandas as pd
from chromium import lengths_of_players
from systems import with_short


def test_the_report_of_a_run_can_be_read_and_played(finished, visit):
    page = visit(finished / "report/index.html")
    page.wait_for_selector(".plot.scatter .point")
    lengths = lengths_of_players(page)
    assert len(lengths) > 30 and min(lengths) > 0.4
    assert page.locator("#provenance pre").first.inner_text().startswith("snakemake")


def test_denoisers_alone_make_a_report(finished, tmp_path, visit):
    alone = ("--config", "separators=null")
    assert set(finished.jobs(*alone)) == {"collect_latency", "aggregate", "report"}
    workspace = finished.copy(tmp_path / "run")
    workspace.succeed(*alone)
    page = visit(workspace / "report/index.html")
    assert page.locator("h1").inner_text() == "Which denoiser is the best?"
    assert "conv_tasnet reached an SI-SDRi of" in page.locator(".answer").inner_text()
    sections = page.locator("main > section").evaluate_all("all => all.map(s => s.id)")
    assert {"denoisers", "listen", "latency"} <= set(sections) and "matrix" not in sections
    assert min(lengths_of_players(page)) > 0.4


def test_numbers_of_a_run_s_report_are_those_of_its_scores(finished, visit):
    page = visit(finished / "report/index.html")
    summary = with_short(pd.read_csv(finished / "scores/summary.csv"))
    summary = summary.set_index(["system", "metric"])
    means = [
        f"{summary.loc[(f'conv_tasnet/{trained}/{tested}', 'si_sdri'), 'mean']:.2f}"
        for trained in ("noisy", "denoised-conv_tasnet")
        for tested in ("clean", "noisy", "denoised-conv_tasnet")
    ]
    cells = page.locator("#matrix .view:visible table").first.locator("td").all_inner_texts()
    assert [text.split()[0].replace("−", "-") for text in cells] == means
    answer = page.locator(".answer").inner_text()
    [added] = set(re.findall(r"at ([\d.]+) ms of added latency", answer))
    latency = pd.read_csv(finished / "estimates/latency.csv")
    denoising = latency.loc[latency["task"] == "denoise", "latency_ms"]
    assert abs(float(added) - denoising.median()) <= 0.5
