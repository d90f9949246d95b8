from pipeline.base.files import read_manifest
from pipeline.report.site import Site
from pipeline.report.tables import Cell, Row, Table, estimated, frame, plain


def test_cells_are_typeset_and_keep_their_values():
    cell = estimated(-1.23456, -2.0, 0.5, "si_sdri", sign=True)
    assert (cell.text, cell.below) == ("−1.23", "−2.00 to +0.50") and cell.value == -1.23456
    assert plain(None).text == "–" and plain(3.14159, 1).text == "3.1"


def test_csv_holds_values_and_intervals(tmp_path):
    rows = [
        Row("a", [estimated(1.23456, 1.0, 2.0, "si_sdri"), Cell("x", "y")], "below"),
        Row("b", [Cell("–"), Cell("=1+1")]),
    ]
    table = Site(tmp_path).table("t", Table("caption", "system", ["value", "words"], rows))
    assert table.csv == "tables/t.csv"
    written = read_manifest(tmp_path / table.csv)
    assert list(written.columns) == ["system", "value", "value low", "value high", "words"]
    assert written["system"].tolist() == ["a, below", "b"]
    assert written["value"].iloc[0] == 1.23456 and written["value"].isna().iloc[1]
    assert written["words"].tolist() == ["x, y", "=1+1"]


def test_empty_table_is_an_empty_frame():
    assert frame(Table("caption", "system", ["value"], [])).empty


def test_a_site_starts_without_files_of_an_earlier_one(tmp_path):
    Site(tmp_path).table("old", Table("caption", "system", [], []))
    Site(tmp_path)
    assert not (tmp_path / "tables" / "old.csv").exists()
