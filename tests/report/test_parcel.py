import base64
import re
import zipfile

import pytest

from pipeline.report.parcel import write_single_file, write_zip


@pytest.fixture
def index(tmp_path):
    files = {
        "index.html": '<img src="assets/a&amp;b.webp">'
        ' <a href="tables/t.csv" download="t.csv">CSV</a>'
        ' <a href="#part">part</a> <script src="assets/x.js" defer></script>'
        ' assets/not-a-reference "tables/t.csv"',
        "assets/a&b.webp": b"RIFF\x00",
        "assets/x.js": 'say("</script>")',
        "tables/t.csv": "a,b\n1,2\n",
    }
    for name, content in files.items():
        path = tmp_path / "report" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "report" / "index.html"


def test_single_file_holds_all_files_of_the_page(index, tmp_path):
    write_single_file(index, tmp_path / "one.html")
    text = (tmp_path / "one.html").read_text()
    held = {
        kind: base64.b64decode(data)
        for kind, data in re.findall(r'"data:([^;]+);base64,([^"]+)"', text)
    }
    assert held == {
        "image/webp": b"RIFF\x00",
        "text/csv": b"a,b\n1,2\n",
        "text/javascript": b'say("</script>")',
    }
    assert 'href="#part"' in text and 'download="t.csv"' in text
    assert 'assets/not-a-reference "tables/t.csv"' in text  # text stays text


def test_zip_holds_the_folder_and_is_the_same_each_time(index, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_zip(index.parent, tmp_path / name / "report.zip")
    index.touch()
    write_zip(index.parent, tmp_path / "two" / "report.zip")
    archives = [tmp_path / name / "report.zip" for name in ("one", "two")]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert archive.testzip() is None
        assert archive.read("report/index.html") == index.read_bytes()
        assert "report/assets/a&b.webp" in archive.namelist() and len(archive.namelist()) == 4
