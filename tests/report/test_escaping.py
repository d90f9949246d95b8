"""Text from files and from the configuration is text on the page, never markup."""

import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from report.results_tree import Builder

from pipeline.base.files import write_json
from pipeline.report.page import write_report
from pipeline.report.parcel import write_single_file
from pipeline.report.sections import provenance

EVIL = (
    "</title></script></style></pre><script>evil()</script><img src=x onerror=evil()>"
    '" onmouseover="evil()" \' {{ evil }} {% evil %} <!-- ]]> &lt;b&gt; $\\evil$ \u2028\u2029 é'
)
ID = "evil\"'<img src=x onerror=evil()>&{{evil}} #?%20é"


class Markup(HTMLParser):
    """Names of attributes, their targets, scripts, and the text outside these."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names, self.scripts, self.links, self.ids = [], [], [], []
        self.text, self.within = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.names += [name for name, _ in attributes]
        self.links += [value for name, value in attributes if name in ("src", "href")]
        self.ids += [value for name, value in attributes if name == "id"]
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.within == "script":
            self.scripts[-1] += data
        elif self.within != "style":
            self.text += data

    def handle_endtag(self, tag):
        self.within = ""


def spoil(path, **columns):
    """Write values over columns of a CSV, and the odd id in place of the first one."""
    table = pd.read_csv(path).assign(**columns)
    table.replace({"mixture_id": {"test-0000": ID}}).to_csv(path, index=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree in which every text from outside is hostile."""
    root = tmp_path_factory.mktemp("evil")
    tree = Builder(root, mixtures=2, speakers=2).build(config=config(root))
    inputs, speakers = tree.inputs, {f"source_{k}_speaker": EVIL + str(k) for k in (1, 2)}
    sexes = {f"source_{k}_sex": EVIL for k in (1, 2)}
    spoil(inputs.mixtures, noise=EVIL, **speakers, **sexes)
    spoil(inputs.scores, undefined=EVIL)
    spoil(inputs.latency, device=EVIL)
    spoil(inputs.latency_summary, device=EVIL)
    spoil(inputs.throughput, device=EVIL)
    for manifest in inputs.estimates.values():
        spoil(manifest)
    answer = {"question": EVIL, "sentences": [EVIL], "facts": []}
    write_json(inputs.answer, answer)
    facts = {"command": EVIL, "started": EVIL, "pending": 1, "jobs": {EVIL: 2, "b": 1}}
    facts |= {"git": {"revision": EVIL, "modified": False}, "edges": [[EVIL, "b"]]}
    facts |= {"machine": {"cpu": EVIL, "cores": 2, "memory_gib": 1.0}}
    write_json(inputs.run, facts)
    return tree


def config(root):
    speech = root / "<img src=x onerror=evil()>"
    speech.mkdir()
    (speech / "LICENSE <img src=x onerror=evil()>").write_text(EVIL, encoding="utf-8")
    return {
        "seed": 0,
        "corpora": {"kind": "local", "local": {"speech": str(speech), "noise": str(root / EVIL)}},
        "mixtures": {"num_speakers": 2, "noise_rule": EVIL},
        "report": {"title": EVIL, "examples": 2},
    }


@pytest.fixture(scope="module")
def page(tree):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "package_versions", lambda: {"python": EVIL, EVIL: "1"})
        write_report(tree.inputs, tree.index)
    return Markup(tree.index.read_text(encoding="utf-8"))


def test_hostile_text_makes_no_element_and_no_attribute(page):
    assert not [name for name in page.names if name.startswith("on")]
    assert "x" not in page.links
    assert not [script for script in page.scripts if script.lstrip().startswith("evil()")]


def test_hostile_text_is_shown_unchanged(page):
    shown = re.sub(r"\s+", " ", page.text)
    expected = re.sub(r"\s+", " ", EVIL)
    assert shown.count(expected) > 10
    assert f"mixture-{ID}" in page.ids


def test_embedded_data_is_data(page):
    [data] = [json.loads(script) for script in page.scripts if script.startswith("{")]
    assert ID in data["mixtures"]
    assert data["facts"]["noise"] == [EVIL, EVIL]


def test_links_still_lead_somewhere(page, tree):
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif link != "data:,":
            assert (tree.index.parent / link).is_file()


def test_nothing_of_it_runs_in_a_browser(page, tree, visit, tmp_path):
    single = tmp_path / "report.html"
    write_single_file(tree.index, single)
    for path in (tree.index, single):
        shown = visit(path)
        shown.wait_for_selector(".plot.scatter .point")
        # evil() is not defined, so a call would be an error of the page, on which `visit` fails.
        assert shown.title().startswith("</title></script>")
