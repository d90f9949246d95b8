"""The plots of the paired comparisons, in a browser and from a file."""

import re

import numpy as np
import pytest
from report.rendered import rendered
from report.scored import MATRIX, drawn, ids, write_run
from systems import path_of

from pipeline.report.parcel import write_single_file
from pipeline.report.sections import comparisons

MIXTURES = 40
A, B, OTHER = map(path_of, ("net/denoised-d/denoised-d", "net/noisy/noisy", "net/clean/clean"))
LABELS = {
    A: "trained on denoised-d, tested on denoised-d",
    B: "trained on noisy, tested on noisy",
    OTHER: "trained on clean, tested on clean",
}
SCORES = {
    "si_sdri": drawn(MATRIX, MIXTURES),
    "stoi": drawn(MATRIX, MIXTURES, seed=1),
    "wer": drawn(MATRIX, MIXTURES, seed=2),
}
POINTS = ".tracebetter .point, .traceworse .point, .traceequal .point"
POSITION = "all => all.map(e => e.getAttribute('transform'))"
FACTS = {
    "source_1_speaker": [f"{n} <i>x</i>" for n in range(MIXTURES)],
    "source_2_speaker": "b",
    "source_1_sex": "F",
    "source_2_sex": "M",
    "noise_snr": np.linspace(-3, 3, MIXTURES),
    "overlap_ratio": 0.5,
    "noise": "hum_1",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A page with both sections, from a test set of 40 mixtures."""
    root = tmp_path_factory.mktemp("run")
    fact = {"kind": "matched", "system_a": A, "system_b": B}
    inputs = write_run(root, SCORES, FACTS, answer_facts=[fact])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons, "listed", lambda run: ["test-007"])
        rendered(inputs, root / "report" / "index.html", "comparisons", "breakdown")
    return root / "report" / "index.html"


@pytest.fixture
def page(visit, index):
    return ready(visit(index))


def ready(page):
    page.wait_for_selector(".plot.scatter .point")
    page.wait_for_selector(".histogram .bars .point")
    return page


def means(metric, system):
    return SCORES[metric][system].mean(axis=1)


def words(page):
    return page.locator(".explorer .words").text_content()


def choose(page, **values):
    for name, label in values.items():
        page.select_option(f".explorer select[name={name}]", label=label)


def by_mouse(page, place):
    """Click on a point of the scatter plot; points may lie on top of each other."""
    point = page.locator(POINTS).nth(place)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".opened:not([hidden])")


def typeset(value, digits=2, sign=""):
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def test_every_mixture_is_a_point_and_the_words_are_those_of_the_answer(page):
    assert page.locator(POINTS).count() == MIXTURES
    difference = means("si_sdri", A) - means("si_sdri", B)
    assert f"A is better on {(difference > 0).sum()} of {MIXTURES} mixtures" in words(page)
    ends = (typeset(difference.mean() + by, sign="+") for by in (0, -0.5, 0.25))
    assert "{} dB (90\N{NO-BREAK SPACE}% interval {} to {})".format(*ends) in words(page)
    assert page.locator(".tracebetter .point").count() == (difference > 0).sum()


def test_the_other_order_turns_the_interval(page):
    choose(page, a=LABELS[B], b=LABELS[A])
    mean = (means("si_sdri", B) - means("si_sdri", A)).mean()
    ends = [typeset(mean + by, sign="+") for by in (-0.25, 0.5)]
    assert f"interval {ends[0]} to {ends[1]}" in words(page)


def test_other_systems_and_metrics_are_other_plots(page):
    seen = [page.locator(POINTS).evaluate_all(POSITION)]
    for picked in ({"a": LABELS[OTHER]}, {"metric": "STOI"}):
        choose(page, **picked)
        page.wait_for_function(
            "([css, old]) => document.querySelector(css).getAttribute('transform') !== old",
            arg=[POINTS, seen[-1][0]],
        )
        seen.append(page.locator(POINTS).evaluate_all(POSITION))
    assert "STOI" in page.locator(".plot.scatter .xtitle").text_content()
    assert "STOI" in page.locator(".histogram .xtitle").text_content()
    assert len(seen[-1]) == MIXTURES


def test_where_low_is_good_the_lower_system_is_better(page):
    choose(page, metric="WER")
    better = (means("wer", A) < means("wer", B)).sum()
    assert f"A is better on {better} of {MIXTURES}" in words(page)
    assert "a lower WER is better" in words(page)


def test_a_click_on_a_point_opens_its_mixture(page):
    by_mouse(page, 0)
    mixture = page.locator(".opened h4").text_content()
    place = ids(MIXTURES).index(mixture)
    assert page.locator(".opened dd").all_text_contents() == [
        f"{place} <i>x</i> (F), b (M)",
        "mixed",
        f"{typeset(FACTS['noise_snr'][place], 1)} dB",
        "50 %",
        "hum_1",
        "2.0 s",
    ]
    rows = dict(
        zip(
            page.locator(".opened tbody th").all_text_contents(),
            page.locator(".opened tbody td").all_text_contents(),
            strict=True,
        )
    )
    assert len(rows) == 9
    for name, mark in ((A, " (A)"), (B, " (B)"), (OTHER, "")):
        assert rows[LABELS[name] + mark] == typeset(means("si_sdri", name)[place])
    assert page.locator(".tracechosen .point").count() == 1


def test_one_mixture_with_few_known_facts_in_words(visit, tmp_path):
    inputs = write_run(tmp_path, {"stoi": drawn([A, B], 1)}, {"source_1_speaker": "a"})
    rendered(inputs, tmp_path / "r" / "index.html", "comparisons")
    page = ready(visit(tmp_path / "r" / "index.html"))
    assert "of 1 mixture (" in words(page)
    assert page.locator(".histogram .ytick").all_text_contents() == ["0", "1"]
    by_mouse(page, 0)
    assert page.locator(".opened dt").all_text_contents() == ["speakers", "length"]
    hover = page.locator(".scatter .hovertext").text_content()
    assert not any(word in hover for word in ("SNR", "overlap", "–"))


def test_the_list_opens_a_mixture_without_a_mouse(page):
    difference = means("si_sdri", A) - means("si_sdri", B)
    options = page.locator("select[name=mixture] option").all_text_contents()
    order = [
        f"{ids(MIXTURES)[n]} ({typeset(difference[n], sign='+')})" for n in difference.argsort()
    ]
    assert options == ["none", *order]
    page.locator("select[name=mixture]").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".opened h4").text_content() == options[1].split()[0]
    choose(page, metric="STOI")
    assert page.locator(".opened h4").text_content() == options[1].split()[0]
    assert "STOI" in page.locator(".opened caption").text_content()


def test_only_mixtures_with_sound_are_linked(page):
    listen = page.locator(".opened .listen a")
    for place, links in ((7, ["#mixture-test-007"]), (8, [])):
        page.select_option("select[name=mixture]", value=str(place))
        assert listen.evaluate_all("all => all.map(a => a.getAttribute('href'))") == links


def test_a_plot_is_saved_as_svg_and_nothing_is_uploaded(page):
    page.locator(".plot.scatter").hover()
    titles = page.locator(".plot.scatter .modebar-btn").evaluate_all(
        "all => all.map(b => b.dataset.title)"
    )
    assert not re.search("cloud|share|plotly", " ".join(titles), re.IGNORECASE)
    with page.expect_download() as download:
        page.locator(".plot.scatter .modebar-btn").first.click()
    assert download.value.suggested_filename == "systems.svg"
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("<svg") and "var(--" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_follow_the_theme(visit, index, scheme):
    page = ready(visit(index, color_scheme=scheme))
    point = page.locator(".tracebetter .point").first.evaluate("e => getComputedStyle(e).fill")
    link = page.locator("#comparisons a").first.evaluate("e => getComputedStyle(e).color")
    assert point == link  # both have the accent colour of the theme


def test_a_narrow_screen_does_not_scroll_sideways(visit, index):
    page = ready(visit(index, viewport={"width": 375, "height": 800}))
    by_mouse(page, 0)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.locator(".plot.scatter .main-svg").first.bounding_box()["width"] <= 343


def test_the_single_file_draws_too(visit, index, tmp_path):
    write_single_file(index, tmp_path / "one.html")
    assert ready(visit(tmp_path / "one.html")).locator(POINTS).count() == MIXTURES


def test_without_scripts_the_figure_and_the_tables_stay(visit, index):
    page = visit(index, java_script_enabled=False)
    assert page.locator("#comparisons svg").first.is_visible()
    assert page.locator("#comparisons table").first.is_visible()
    assert not page.locator(".explorer").is_visible()


def test_many_systems_are_picked_from_a_list(visit, tmp_path):
    names = [
        path_of(f"separator_{n}/noisy/denoised-denoiser_{k}") for n in range(3) for k in range(4)
    ]
    inputs = write_run(tmp_path, {"si_sdri": drawn(names, MIXTURES)}, FACTS)
    rendered(inputs, tmp_path / "report" / "index.html", "breakdown")
    page = visit(tmp_path / "report" / "index.html")
    select = page.get_by_label("System")
    assert select.evaluate("select => [select.localName, select.length]") == ["select", len(names)]
    for place in (0, 7):
        select.select_option(index=place)
        views = page.locator(".choice[data-label=System] > .view")
        shown = [n for n in range(len(names)) if views.nth(n).is_visible()]
        assert shown == [place]
    assert page.locator(".choice[data-label='Group by'] .bar button").count() > 1
