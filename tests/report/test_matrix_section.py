import numpy as np
import pandas as pd
import pytest
from systems import path_of, with_columns

from pipeline.base.files import read_manifest
from pipeline.report.figures.matrix import colour_scale, draw_matrix
from pipeline.report.names import metric_of
from pipeline.report.run import Run
from pipeline.report.sections.matrix import content, gap_table, matrix_tables
from pipeline.report.site import Site

COLUMNS = ["system", "metric", "mean", "low", "high"]
NET, DENOISED = "conv_tasnet", "denoised-conv_tasnet"


@pytest.fixture
def run(full) -> Run:
    return Run(full.inputs)


def test_matrix_holds_the_summary(run):
    summary = run.summary.set_index(["system", "metric"])
    for metric in run.metrics:
        [(separator, table)] = matrix_tables(run, metric)
        assert separator == NET and len(table.rows) == 3
        for row, trained in zip(table.rows, ("clean", "noisy", DENOISED), strict=True):
            for cell, tested in zip(row.cells, ("clean", "noisy", DENOISED), strict=True):
                expected = summary.loc[path_of(f"{NET}/{trained}/{tested}"), metric]
                assert (cell.value, cell.low, cell.high) == tuple(expected[["mean", "low", "high"]])
                digits = metric_of(metric).digits
                assert cell.text == f"{expected['mean']:.{digits}f}".replace("-", "−")
        assert {cell.heat for row in table.rows for cell in row.cells} >= {0.0, 1.0} or (
            np.ptp([cell.value for row in table.rows for cell in row.cells]) < 1
        )


def test_best_system_is_marked(run):
    [(_, table)] = matrix_tables(run, "si_sdri")
    marked = [cell.value for row in table.rows for cell in row.cells if cell.kind == "strong"]
    means = run.summary.set_index(["system", "metric"])["mean"]
    assert marked == [max(means[name, "si_sdri"] for name in run.realistic)]


def gap_run(builder, scores: pd.DataFrame) -> Run:
    tree = builder(mixtures=3, speakers=1, metrics=["si_sdr"]).build(timed=False, trained=False)
    with_columns(scores).to_csv(tree.inputs.scores, index=False)
    means = scores.groupby(["system", "metric"], sort=False)["value"].mean().reset_index()
    summary = means.rename(columns={"value": "mean"}).assign(low=np.nan, high=np.nan, missing=0)
    with_columns(summary).to_csv(tree.inputs.summary, index=False)
    return Run(tree.inputs)


@pytest.mark.parametrize(("metric", "sign"), [("si_sdr", 1), ("wer", -1)])
def test_share_of_the_gap(builder, metric, sign):
    """A quarter of the way in every mixture, for both directions of a metric."""
    rows = [
        (f"m{n}", name, "s1", metric, sign * value)
        for n in range(3)
        for name, value in (
            ("mixture", -4.0 + n),
            (f"{NET}/clean/clean", 8.0 + n),
            (f"{NET}/noisy/noisy", -1.0 + n),
        )
    ]
    table = gap_table(
        gap_run(
            builder,
            pd.DataFrame(rows, columns=["mixture_id", "system", "source", "metric", "value"]),
        ),
        metric,
    )
    shares = {row.heading: row.cells[1] for row in table.rows}
    share = shares["trained on noisy, tested on noisy"]
    assert share.value == pytest.approx(25) and share.text == "25"
    assert (share.low, share.high) == (pytest.approx(25), pytest.approx(25))
    assert shares["trained on clean, tested on clean"].text == "100"
    assert shares["unprocessed mixture"].text == "0"


def test_an_ideal_mask_is_marked_and_has_no_share_of_the_gap(builder, tmp_path):
    rows = [
        (f"m{n}", name, "s1", "si_sdri", value)
        for n in range(3)
        for name, value in (
            (f"{NET}/clean/clean", 8.0),
            (f"{NET}/noisy/noisy", 4.0),
            ("ideal_mask", 12.0),
        )
    ]
    columns = ["mixture_id", "system", "source", "metric", "value"]
    run = gap_run(builder, pd.DataFrame(rows, columns=columns))
    assert run.main == path_of(f"{NET}/noisy/noisy") and len(run.systems) == 2
    first, *_ = gap_table(run, "si_sdri").rows
    assert (first.heading, first.oracle) == ("ideal ratio mask (oracle)", True)
    assert [cell.text for cell in first.cells] == ["12.00", "–"]
    made = content(run, Site(tmp_path / "report"))
    assert (
        made["masked"]
        and not content(Run(builder().build().inputs), Site(tmp_path / "r"))["masked"]
    )
    headings = {row.heading: row.oracle for row in made["metrics"].rows}
    assert (
        headings["ideal ratio mask (oracle)"] and not headings["trained on noisy, tested on noisy"]
    )


def test_no_gap_no_share(builder):
    rows = [
        (f"m{n}", name, "s1", "si_sdr", value)
        for n in range(3)
        for name, value in (
            ("mixture", 5.0),
            (f"{NET}/clean/clean", 4.0),
            (f"{NET}/noisy/noisy", 4),
        )
    ]
    table = gap_table(
        gap_run(
            builder,
            pd.DataFrame(rows, columns=["mixture_id", "system", "source", "metric", "value"]),
        ),
        "si_sdr",
    )
    assert [row.cells[1].text for row in table.rows] == ["100", "–", "0"]


def test_without_an_oracle_there_is_no_share_of_the_gap(builder, tmp_path):
    systems = [f"{NET}/noisy/clean", f"{NET}/noisy/noisy"]
    run = Run(builder(systems=systems, metrics=["pesq"]).build(timed=False, trained=False).inputs)
    assert gap_table(run, "pesq") is None
    made = content(run, Site(tmp_path / "report"))
    assert [len(view.tables) for view in made["views"]] == [1] and not made["ceiling"]


def test_rows_are_training_conditions(builder):
    systems = [f"one/{c}/noisy" for c in ("clean", "noisy")] + ["two/noisy/noisy"]
    run = Run(builder(systems=systems).build(timed=False, trained=False).inputs)
    rows = {name: [row.heading for row in t.rows] for name, t in matrix_tables(run, "si_sdri")}
    assert rows == {"one": ["clean", "noisy"], "two": ["noisy"]}


def test_improvements_start_at_zero(run):
    table = gap_table(run, "si_sdri")
    assert table.rows[-1].heading == "unprocessed mixture" and table.rows[-1].cells[0].text == "0"
    values = run.values("si_sdri")
    reached, whole = (values[path_of(f"{NET}/{c}/{c}")].mean() for c in ("noisy", "clean"))
    cells = {row.heading: row.cells[1].value for row in table.rows}
    assert cells["trained on noisy, tested on noisy"] == pytest.approx(100 * reached / whole)


def test_values_are_written_as_csv(run, tmp_path):
    made = content(run, Site(tmp_path))
    table = read_manifest(tmp_path / made["views"][0].tables[0].csv)
    cell = run.summary.set_index(["system", "metric"]).loc[path_of(f"{NET}/noisy/clean"), "si_sdri"]
    row = table[table["trained on ↓ tested on →"] == "noisy"].iloc[0]
    assert row["clean (oracle)"] == cell["mean"] and row["clean (oracle) low"] == cell["low"]
    everything = read_manifest(tmp_path / made["metrics"].csv)
    assert len(everything) == 10 and everything["PESQ"].notna().all()


def test_missing_items_are_counted(run, tmp_path):
    count = run.summary["missing"].sum()
    notes = content(run, Site(tmp_path))["metrics"].notes
    assert count == 10 and any(f"PESQ: {count} items could not be" in note for note in notes)


def test_figure_holds_its_numbers_and_marks_the_oracle(tmp_path):
    names = path_of("n/noisy/noisy"), path_of("n/noisy/clean")
    rows = [(names[0], "si_sdri", -1.234, -2.0, 0.5), (names[1], "si_sdri", 8, 7, 9)]
    draw_matrix(pd.DataFrame(rows, columns=COLUMNS), tmp_path / "m.svg")
    text = (tmp_path / "m.svg").read_text()
    for words in ("−1.23", "−2.00 to 0.50", "8.00", "clean (oracle)", "tested on"):
        assert words in text
    assert "stroke-dasharray" in text


def test_colours_turn_where_low_is_good_and_do_not_exaggerate():
    means = pd.Series([10.0, 30.0])
    assert colour_scale(means, "si_sdri")(30.0) == 1 and colour_scale(means, "wer")(30.0) == 0
    close = pd.Series([3.0, 3.01])
    assert 0.4 < colour_scale(close, "si_sdri")(3.0) < colour_scale(close, "si_sdri")(3.01) < 0.6
