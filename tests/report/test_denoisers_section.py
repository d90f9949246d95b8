"""The section of denoisers."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered
from report.scored import write_run
from safetensors.numpy import save_file
from systems import path_of, with_columns

from pipeline.base.files import read_manifest, write_manifest
from pipeline.models import demucs
from pipeline.models.card import FORMAT, read_card
from pipeline.report.run import Run
from pipeline.report.sections import denoisers
from pipeline.report.site import Site

DENOISED = path_of("denoised-conv_tasnet")
LABEL = "denoiser conv_tasnet"


@pytest.fixture
def tree(builder):
    tree = builder().build()
    kept = pd.DataFrame({"system": ["denoised-conv_tasnet"], "metric": "preservation"})
    kept = kept.assign(mean=12.34, median=12.0, low=11.0, high=13.0, mixtures=4, missing=0)
    table = pd.concat([read_manifest(tree.inputs.summary), with_columns(kept)])
    write_manifest(tree.inputs.summary, table)
    return tree


def row_of(run, site) -> dict:
    """The cells of the denoiser, by their headings."""
    table = denoisers.content(run, site)["table"]
    assert [row.heading for row in table.rows] == ["unprocessed mixture", "denoised by conv_tasnet"]
    return dict(zip(table.columns, table.rows[1].cells, strict=True))


def test_scores_are_those_of_the_summary_with_the_mixture_beside_them(tree, tmp_path):
    run = Run(tree.inputs)
    cells, means = row_of(run, Site(tmp_path)), run.means("si_sdr")["mean"]
    assert cells["SI-SDR (dB)"].value == means[DENOISED]
    kept = cells["Preservation (dB)"]
    assert (kept.value, kept.low, kept.high, kept.text) == (12.34, 11.0, 13.0, "12.3")
    written = read_manifest(tmp_path / "tables/denoisers.csv")
    assert written["Preservation (dB)"].isna().tolist() == [True, False]


def test_bss_eval_is_shown_only_without_si_sdr(tree, tmp_path):
    assert not {"SDR (dB)", "SDRi (dB)"} & row_of(Run(tree.inputs), Site(tmp_path)).keys()
    table = read_manifest(tree.inputs.summary)
    write_manifest(tree.inputs.summary, table[~table["metric"].str.startswith("si_sdr")])
    assert "SDR (dB)" in row_of(Run(tree.inputs), Site(tmp_path / "other"))


def test_costs_are_those_of_the_card_and_of_the_latencies(tree, tmp_path):
    path = tree.inputs.weights[LABEL]
    card = read_card(path)
    facts = card.training | {
        "parameters": 340_000,
        "multiply_adds": 85e6,
        "package": {"licence": "MIT"},
    }
    card = replace(card, arguments={"norm": "cLN", "causal": True}, training=facts)
    save_file(
        {"w": np.ones(3, np.float32)}, path, {"format": FORMAT, "card": json.dumps(asdict(card))}
    )
    config = tree.inputs.config | {"denoisers": {"conv_tasnet": {"dry": 0.2}}}
    run = Run(replace(tree.inputs, config=config))
    cells = row_of(run, Site(tmp_path))
    times = run.latency_summary.set_index("stage").loc["denoise"]
    assert cells["parameters (M)"].text == "0.34" and cells["MACs (G/s)"].value == 0.085
    assert cells["p50 (ms)"].value == times["p50_ms"]
    assert cells["RTF, p50"].value == times["rtf_p50"]
    assert cells["licence"].text == "MIT"
    assert cells["look-ahead"].text == "1.9 ms" and cells["mixture added (%)"].value == 20


def test_the_licence_of_weights_that_a_training_began_with_is_told(tree, tmp_path):
    path = tree.inputs.weights[LABEL]
    for licences, shown in (
        (["LibriSpeech: CC BY 4.0", demucs.LICENCE], demucs.LICENCE),
        ([], "–"),
    ):
        card = replace(read_card(path), model="demucs", arguments={})
        card = replace(card, training={"licences": licences})
        metadata = {"format": FORMAT, "card": json.dumps(asdict(card))}
        save_file({"w": np.ones(3, np.float32)}, path, metadata)
        assert row_of(Run(tree.inputs), Site(tmp_path))["licence"].text == shown


def test_what_is_unknown_is_a_dash(builder, tmp_path):
    run = Run(builder().build(timed=False, trained=False).inputs)
    cells = row_of(run, Site(tmp_path))
    unknown = ["parameters (M)", "MACs (G/s)", "p50 (ms)", "RTF, p50", "look-ahead", "licence"]
    assert {cells[name].text for name in unknown} == {"–"}


def test_each_is_held_against_each(tmp_path):
    scores = {f"denoised-{name}": np.full((4, 1), mean) for name, mean in (("a", 1.0), ("b", 3.0))}
    run = Run(write_run(tmp_path, {"si_sdri": scores, "stoi": scores}))
    run.inputs.latency_summary.write_text("\n")
    [row] = denoisers.content(run, Site(tmp_path / "report"))["pairs"].rows
    assert (row.heading, row.cells[0].text) == ("denoised by a", "denoised by b")
    assert row.cells[2].value == -2.0 and row.cells[1].text == "SI-SDRi (dB)"
    assert run.comparisons.empty and len(run.denoiser_comparisons) == 2


def test_the_page_draws_them_and_leaves_the_section_out_without_any(tree, tmp_path):
    page = rendered(tree.inputs, tmp_path / "page/index.html", "denoisers")
    assert "removes them" in page and ">12.3<" in page
    assert "conv_tasnet" in (tmp_path / "page/figures/denoisers.svg").read_text(encoding="utf-8")
    table = read_manifest(tree.inputs.summary)
    write_manifest(tree.inputs.summary, table[table["task"] != "denoise"])
    assert denoisers.content(Run(tree.inputs), Site(tmp_path)) is None
