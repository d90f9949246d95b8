"""The whole page, in a browser and from a file: screens, paper, dark, a phone, a single file."""

import shutil
import zipfile

import pandas as pd
import pytest
from report.results_tree import Builder

from pipeline.report.page import SECTIONS, write_report
from pipeline.report.parcel import write_single_file, write_zip

SCREENS = {"screen": {"width": 1200, "height": 900}, "phone": {"width": 375, "height": 700}}
# The least contrast of any visible text with its background, and that text (WCAG 2.1, 1.4.3).
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => colour.slice(0, 3)
    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgba(getComputedStyle(node).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  let least = [99, ''];
  const texts = 'p, th, td, small, a, button, h1, h2, h3, h4, li, b, span, dt, dd';
  for (const node of document.querySelectorAll(texts)) {
    const own = [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !node.checkVisibility() || node.closest('.plot')) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, node.outerHTML.slice(0, 120)];
  }
  return least;
}"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    tree = Builder(tmp_path_factory.mktemp("whole"), mixtures=6).build()
    write_report(tree.inputs, tree.index)
    write_zip(tree.index.parent, tree.root / "report.zip")
    write_single_file(tree.index, tree.root / "report.html")
    return tree.index


def decoded(page):
    """The number of players, and the number of those with sound of some length."""
    return page.evaluate(
        """async () => {
          const all = [...document.querySelectorAll('audio')];
          const ready = all.map(audio => new Promise(resolve => {
            audio.addEventListener('canplaythrough', () => resolve(audio.duration > 0.5));
            audio.addEventListener('error', () => resolve(false));
            audio.preload = 'auto'; audio.load();
          }));
          return [all.length, (await Promise.all(ready)).filter(Boolean).length];
        }"""
    )


def shown(page):
    """Caption, CSV and numbers of each visible table of the matrix."""
    return page.evaluate(
        """() => [...document.querySelectorAll('#matrix .choice table')]
          .filter(table => table.checkVisibility()).map(table => ({
            caption: table.caption.textContent,
            csv: table.querySelector('caption a').getAttribute('href'),
            values: [...table.tBodies[0].rows].map(row =>
              [...row.querySelectorAll('td')].map(cell => cell.dataset.value ?? null)),
          }))"""
    )


def test_every_section_is_there_and_every_player_decodes(visit, index):
    page = visit(index)
    assert page.locator("main section").count() == len(SECTIONS) - 1  # no counts
    players, sounding = decoded(page)
    assert players > 30 and sounding == players


def test_matrix_switches_metric_and_equals_its_csv(visit, index):
    page = visit(index)
    buttons = page.locator("#matrix .bar button")
    assert buttons.count() == 5
    for place in range(5):
        buttons.nth(place).click()
        assert buttons.nth(place).get_attribute("aria-pressed") == "true"
        matrix, gap = shown(page)  # of one separator
        label = buttons.nth(place).inner_text()
        assert f": {label}" in matrix["caption"] and label in gap["caption"]
        table = pd.read_csv(index.parent / matrix["csv"], float_precision="round_trip")
        means = table[[c for c in table.columns[1:] if not c.endswith((" low", " high"))]]
        assert [[float(v) for v in row] for row in matrix["values"]] == means.to_numpy().tolist()


def test_a_heading_sorts(visit, index):
    page = visit(index)
    table = page.locator("#matrix .view:not([hidden]) table").nth(1)
    column = "rows => [...rows].map(row => row.cells[1].dataset.value).map(Number)"
    for direction, turn in (("descending", True), ("ascending", False)):
        table.locator("thead button").nth(1).click()
        values = table.locator("tbody tr").evaluate_all(column)
        assert values == sorted(values, reverse=turn) and len(set(values)) > 5
        assert table.locator("thead th").nth(1).get_attribute("aria-sort") == direction


@pytest.mark.parametrize("alone", [False, True], ids=["folder", "single file"])
def test_tables_can_be_kept(visit, index, alone):
    page = visit(index.parent.parent / "report.html" if alone else index, accept_downloads=True)
    with page.expect_download() as download:
        page.locator("#matrix caption a").first.click()
    assert download.value.suggested_filename == "matrix-si_sdri-conv_tasnet.csv"
    original = index.parent / "tables" / download.value.suggested_filename
    assert download.value.path().read_bytes() == original.read_bytes()


def test_figures_can_be_kept(visit, index):
    page = visit(index.parent.parent / "report.html", accept_downloads=True)
    with page.expect_download() as download:
        page.locator("#latency figcaption a").first.click()
    original = index.parent / "figures" / download.value.suggested_filename
    assert download.value.path().read_bytes() == original.read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_readable_on_every_screen(visit, index, screen, scheme):
    page = visit(index, viewport=SCREENS[screen], color_scheme=scheme)
    for fold in page.locator("details").all():
        fold.evaluate("fold => { fold.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["width"]
    ratio, where = page.evaluate(CONTRAST)
    assert ratio >= 4.5, where


def test_long_words_are_broken(visit, index):
    page = visit(index, viewport=SCREENS["phone"])
    page.locator("h1, main > section > h2, main > section > h3, p").evaluate_all(
        "all => all.forEach(e => { e.textContent = 'x'.repeat(200); })"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREENS["phone"]["width"]


# Of tables that were scrolled to their end: how many, and how far what names a value stands from
# the left end of what is seen of the table.
ASIDE = """() => [...document.querySelectorAll('.scroll:has(table)')]
  .filter(s => s.checkVisibility() && s.scrollWidth > s.clientWidth + 20)
  .flatMap(s => {
    s.scrollLeft = s.scrollWidth;
    return [...s.querySelectorAll('caption span, tbody th')].map(
      e => Math.abs(e.getBoundingClientRect().left - s.getBoundingClientRect().left));
  })"""


def test_on_a_phone_wide_tables_keep_their_names_in_sight(visit, index):
    moved = visit(index, viewport=SCREENS["phone"]).evaluate(ASIDE)
    assert len(moved) > 10 and max(moved) < 2


def test_prints(visit, index):
    page = visit(index, color_scheme="dark")
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF") and paper.count(b"/Type /Page\n") >= 5
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()


def test_single_file_needs_nothing_beside_it(visit, index, tmp_path):
    alone = shutil.copy(index.parent.parent / "report.html", tmp_path / "mailed.html")
    page = visit(alone)
    players, sounding = decoded(page)
    assert players > 30 and sounding == players
    page.wait_for_selector(".plot.scatter .point")
    pictures = page.locator("img").evaluate_all("all => all.map(i => i.complete && i.naturalWidth)")
    assert all(pictures) and pictures


def test_zip_opens_elsewhere(visit, index, tmp_path):
    with zipfile.ZipFile(index.parent.parent / "report.zip") as archive:
        archive.extractall(tmp_path)
    page = visit(tmp_path / "report" / "index.html")
    page.wait_for_selector(".plot.scatter .point")


def test_without_scripts_all_is_there(visit, index):
    page = visit(index, java_script_enabled=False)
    assert page.locator("#matrix .view:visible").count() == 5
    assert page.locator("#listen audio:visible").count() > 10
    assert page.locator("#comparisons figure:visible").count() == 1
