import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from pipeline.report.page import SECTIONS, write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}
FIGURES = {"matrix", "differences", "denoisers", "breakdown", "latency", "latency_length"}
FIGURES |= {"dry", "quality_latency", "quality_cost"}
FIGURES |= {"training_curves", "dag"}


class Page(HTMLParser):
    """Collects the resources that a browser would load, and checks that every element is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.tags, self.open, self.players, self.alts = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.links += [values[k] for k in ("src", "href", "xlink:href") if k in values]
        if tag == "audio":
            self.players.append(values)
        if tag == "img":
            self.alts.append(values["alt"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(full) -> str:
    return full.index.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def files_of(page: Page) -> list[str]:
    return [link for link in page.links if not link.startswith("#") and link != "data:,"]


def cells(text: str, section: str) -> list[str]:
    """Texts of the section's table cells."""
    body = text.split(f'<section id="{section}">')[1].split("</section>")[0]
    return re.findall(r"<td[^>]*>([^<]*)", body)


def test_is_well_formed(page):
    assert page.open == []


def test_sections_stand_in_order(text):
    assert re.findall(r'<section id="(\w+)"', text) == [
        name for name in SECTIONS if name != "counts"
    ]  # all mixtures have as many speakers


def test_every_link_is_relative_and_exists(full, page):
    for link in page.links:
        if link.startswith("#") or link == "data:,":
            continue
        assert not re.match(r"[a-z]+:|/", link), link
        assert (full.index.parent / link).is_file(), link


def test_anchors_lead_somewhere(page, text):
    for link in page.links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text


def test_needs_no_network(text):
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", without_names)


def test_folder_can_be_moved(full, page, tmp_path):
    moved = Path(shutil.copytree(full.index.parent, tmp_path / "elsewhere"))
    assert all((moved / link).exists() for link in files_of(page))


def test_speakers_and_answers_are_escaped(text):
    assert "Speaker 1, &lt;b&gt;x" in text and "<b>x" not in text
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text
    assert "Ärnó 7" in text


def test_ids_are_unique(text):
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_is_the_same_each_time(full, tmp_path):
    index = tmp_path / "report" / "index.html"
    write_report(full.inputs, index)
    files = sorted(p.relative_to(index.parent) for p in index.parent.rglob("*") if p.is_file())
    assert len(files) > 60
    for name in files:
        assert (index.parent / name).read_bytes() == (full.index.parent / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ({"mixtures": 2, "speakers": 1}, {"timed": False, "trained": False}),
        ({"systems": ["conv_tasnet/noisy/noisy"], "metrics": ["si_sdr"]}, {}),
        ({"systems": ["conv_tasnet/clean/clean"], "mixtures": 1}, {"config": {}}),
        ({"systems": [], "mixtures": 1}, {}),
    ],
    ids=["no latency", "one system", "only the oracle", "no separator"],
)
def test_less_input_gives_a_smaller_page(builder, sizes, options):
    tree = builder(**sizes).build(**options)
    write_report(tree.inputs, tree.index)
    text = tree.index.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all((tree.index.parent / link).exists() for link in files_of(page))
    assert {path.stem for path in (tree.index.parent / "figures").iterdir()} == FIGURES
    assert ('id="latency"' in text) == options.get("timed", True)
    assert ('id="comparisons"' in text) == (len(sizes.get("systems", "many")) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["si_sdri", "stoi"])
def test_improvement_is_explained_where_it_is_shown(builder, metric):
    tree = builder(mixtures=1, speakers=1, metrics=[metric]).build()
    write_report(tree.inputs, tree.index)
    text = tree.index.read_text(encoding="utf-8")
    assert ("<b>SI-SDRi</b>" in text) == (metric == "si_sdri")


def test_unmeasured_values_become_dashes(builder):
    tree = builder(mixtures=2, speakers=2).build()
    summary = pd.read_csv(tree.inputs.summary)
    summary.loc[summary["metric"] == "si_sdri", ["mean", "low", "high"]] = float("nan")
    summary.to_csv(tree.inputs.summary, index=False)
    write_report(tree.inputs, tree.index)
    text = tree.index.read_text(encoding="utf-8")
    assert set(cells(text, "matrix")[:9]) == {"–"}
    assert not re.search(r">nan|\bNaN<", text)
