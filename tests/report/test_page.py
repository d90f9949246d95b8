import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from pipeline.files import read_manifest
from pipeline.report.page import write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects what a browser would load, and checks that every element is closed."""

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


def cells(text: str, section: str) -> list[str]:
    """Texts of the section's table cells."""
    body = text.split(f'<section id="{section}">')[1].split("</section>")[0]
    return re.findall(r"<td[^>]*>([^<]*)", body)


def typeset(value: float, digits: int = 2, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def test_is_well_formed(page):
    assert page.open == []


def test_numbers_of_the_matrix_equal_the_summary(full, text):
    summary = read_manifest(full.inputs.summary)
    si_sdri = summary[(summary["metric"] == "si_sdri") & summary["system"].str.contains("/")]
    assert cells(text, "matrix") == [typeset(value) for value in si_sdri["mean"]]
    for row in si_sdri.itertuples():
        assert f"<small>{typeset(row.low)} to {typeset(row.high)}</small>" in text


def test_numbers_of_the_metrics_equal_the_summary(full, text):
    summary = read_manifest(full.inputs.summary)
    shown = summary[~summary["system"].isin(["denoised-conv_tasnet", "mixture-mix_clean"])]
    digits = {"stoi": 3}
    expected = [typeset(row.mean, digits.get(row.metric, 2)) for row in shown.itertuples()]
    assert cells(text, "metrics") == expected


def test_missing_items_are_counted(full, text):
    count = read_manifest(full.inputs.summary)["missing"].sum()
    assert f"PESQ: {count} items could not be computed" in text and count == 10


def test_licences_of_the_corpora_are_repeated(full, tmp_path):
    line = "WHAM! noise: CC BY-NC 4.0, not for commercial use"
    inputs = replace(full.inputs, licences=[line])
    write_report(inputs, tmp_path / "index.html", tmp_path / "figures")
    assert f"<li>{line}</li>" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_denoisers_are_shown_before_and_after(full, text):
    scores = read_manifest(full.inputs.scores)
    ours = scores[(scores["source"] == "mix_clean") & (scores["metric"] == "si_sdr")]
    means = ours.groupby("system")["value"].mean()
    shown = cells(text, "denoisers")
    assert shown[1] == typeset(means["mixture"])
    assert shown[1 + len(shown) // 2] == typeset(means["denoised-conv_tasnet"])


def test_comparisons_on_the_question_come_first(full, text):
    table = read_manifest(full.inputs.comparisons)
    section = text.split('<section id="comparisons">')[1].split("</section>")[0]
    first, rest = section.split("<details>")
    net, denoised = "conv_tasnet", "denoised-conv_tasnet"
    pairs = {(f"{net}/{c}/noisy", f"{net}/{c}/{denoised}") for c in ("clean", "noisy", denoised)}
    pairs.add((f"{net}/noisy/noisy", f"{net}/{denoised}/{denoised}"))
    both = zip(table["system_a"], table["system_b"], strict=True)
    main = table[[pair in pairs for pair in both] & (table["metric"] == "si_sdri").to_numpy()]
    assert len(main) == 4
    shown = re.findall(r"<td[^>]*>([+−][\d.]+)<", first)
    assert shown == [typeset(value, sign="+") for value in main["difference"]]
    assert len(re.findall("<tr", rest)) - 1 == len(table) - len(main)


def test_latency_equals_the_csv(full, text):
    summary = read_manifest(full.inputs.latency_summary)
    shown = cells(text, "latency")
    for value in summary["p99_ms"]:
        assert typeset(value, 1) in shown
    rows = read_manifest(full.inputs.latency)
    per_mixture = rows.pivot(index="mixture_id", columns=["stage", "model", "tested"])["latency_ms"]
    total = (
        per_mixture["denoise", "conv_tasnet", "noisy"]
        + per_mixture["separate", "conv_tasnet/noisy", "denoised-conv_tasnet"]
    )
    assert typeset(total.median(), 1) in shown


def test_every_link_is_relative_and_exists(full, page):
    for link in page.links:
        if link.startswith("#"):
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
    assert all((moved / link).exists() for link in page.links if not link.startswith("#"))


def test_speakers_and_answers_are_escaped(page, text):
    assert "Speaker 1, &lt;b&gt;x" in text and "<b>x" not in text
    assert "&lt;script&gt;alert(1)" in text and "script" not in page.tags
    assert "Ärnó 7" in text


def test_ids_are_unique(text):
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_players_load_nothing_by_themselves_and_pictures_have_texts(page):
    # Three examples: mixture, denoised, and for each of 3 speakers a reference and 2 systems.
    assert len(page.players) == 3 * (2 + 3 * 3)
    assert all(player["preload"] == "none" for player in page.players)
    assert all(page.alts) and len(page.alts) == len(page.players)


def test_is_the_same_each_time(full, tmp_path):
    index = tmp_path / "report" / "index.html"
    write_report(full.inputs, index, tmp_path / "report" / "figures")
    files = sorted(p.relative_to(index.parent) for p in index.parent.rglob("*") if p.is_file())
    assert len(files) > 60
    for name in files:
        assert (index.parent / name).read_bytes() == (full.index.parent / name).read_bytes(), name


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
    write_report(tree.inputs, tree.index, tree.figures)
    text = tree.index.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(
        (tree.index.parent / link).exists() for link in page.links if not link.startswith("#")
    )
    assert {p.stem for p in tree.figures.iterdir()} == {"matrix", "training_curves", "latency"}
    assert ('id="latency"' in text) == options.get("timed", True)
    assert ('id="comparisons"' in text) == (len(sizes.get("systems", "many")) > 1)


def test_unmeasured_values_become_dashes(builder):
    tree = builder(mixtures=2, speakers=2).build()
    summary = pd.read_csv(tree.inputs.summary)
    summary.loc[summary["metric"] == "si_sdri", ["mean", "low", "high"]] = float("nan")
    summary.to_csv(tree.inputs.summary, index=False)
    write_report(tree.inputs, tree.index, tree.figures)
    text = tree.index.read_text(encoding="utf-8")
    assert set(cells(text, "matrix")) == {"–"} and "nan" not in text.split("Full configuration")[0]
