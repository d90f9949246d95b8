"""The section of shares of the mixture that are added back."""

import pandas as pd
from report.rendered import rendered

from pipeline.base.files import read_manifest, write_manifest
from pipeline.report.run import Run
from pipeline.report.sections import dry
from pipeline.report.site import Site


def test_the_share_that_is_best_on_dev_is_shown_with_its_scores_on_test(tree, tmp_path):
    made = dry.content(Run(tree.inputs), Site(tmp_path))
    alone, *behind = made["table"].rows
    assert alone.heading == "denoised by conv_tasnet"
    assert [cell.text for cell in alone.cells] == ["40", "3.00", "3.40", "+0.40"]
    assert [cell.below for cell in alone.cells[2:]] == ["2.40 to 4.40", "+0.35 to +0.45"]
    tested = "tested on denoised-conv_tasnet"
    assert [row.heading for row in behind] == [
        f"conv_tasnet, trained on {trained}, {tested}"
        for trained in ("clean", "noisy", "denoised-conv_tasnet")
    ]
    assert {row.cells[0].text for row in behind} == {"20"}
    written = pd.read_csv(tmp_path / "tables/dry.csv")
    assert written["gain (dB)"].tolist() == [0.4, 0.2, 0.2, 0.2]


def test_each_network_behind_a_denoiser_has_a_panel_and_each_denoiser_a_line(builder):
    tree = builder(mixtures=2).build()
    table = read_manifest(tree.inputs.dry)
    second = table[table["task"] == "denoise"].assign(name="second", mean=1.0)
    write_manifest(tree.inputs.dry, pd.concat([table, second]))
    page = rendered(tree.inputs, tree.index, "dry")
    figure = (tree.index.parent / "figures/dry.svg").read_text()
    for name in ("denoisers alone", "conv_tasnet, trained on clean", ">conv_tasnet<", ">second<"):
        assert name in figure
    assert "denoised by second" in page and "95\N{NO-BREAK SPACE}% intervals" in page


def test_what_has_no_value_and_no_use_is_told(builder, tmp_path):
    tree = builder(mixtures=3).build()
    table = read_manifest(tree.inputs.dry)
    own = table["task"] == "denoise"
    unknown = table.assign(mixtures=2, chosen=table["chosen"] & ~own)
    write_manifest(tree.inputs.dry, unknown)
    made = dry.dry_table(Run(tree.inputs))
    assert [cell.text for cell in made.rows[0].cells] == ["–", "3.00", "–", "–"]
    assert made.notes[0].startswith("denoised by conv_tasnet: 1 mixture left out, since")
    write_manifest(tree.inputs.dry, table.assign(chosen=table["dry"] == 1, mixtures=3))
    notes = dry.dry_table(Run(tree.inputs)).notes
    assert len(notes) == 4 and "leave the denoiser out" in notes[0]


def test_without_a_sweep_the_page_has_no_such_section(builder):
    tree = builder(mixtures=2).build()
    write_manifest(tree.inputs.dry, read_manifest(tree.inputs.dry)[:0])
    page = rendered(tree.inputs, tree.index, "dry")
    assert dry.TITLE not in page
    figure = (tree.index.parent / "figures/dry.svg").read_text()
    assert "No shares of the mixture were tried." in figure
