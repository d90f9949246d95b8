"""The synchronised players, in a browser and from a file."""

from functools import partial

import pytest
from report.rendered import rendered
from report.results_tree import Builder

from pipeline.report.parcel import write_single_file

SECONDS = 20  # long enough for a busy computer
START = 5.0  # in s: where playing begins, so that a track from its beginning is told apart
AUDIOS = "example => [...example.querySelectorAll('audio')]"
SOUNDING = "[...document.querySelectorAll('audio')].filter(a => !a.paused && !a.ended)"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A page of two examples, each of 2 speakers: 9 tracks."""
    tree = Builder(tmp_path_factory.mktemp("t"), mixtures=2, speakers=2, seconds=SECONDS).build()
    rendered(tree.inputs, tree.index, "listen")
    return tree.index


@pytest.fixture
def page(visit, index):
    return visit(index)


def example(page, number=0):
    return page.locator(".example").nth(number)


def button(page, track, number=0):
    return example(page, number).locator("button.name").nth(track)


def sounding(page):
    """The tracks that sound, as (example, track)."""
    return page.evaluate(
        f"{SOUNDING}.map(a => {{ const e = a.closest('.example');"
        " return [[...document.querySelectorAll('.example')].indexOf(e),"
        " [...e.querySelectorAll('audio')].indexOf(a)] })"
    )


def position(page, track, number=0):
    return example(page, number).evaluate(f"e => ({AUDIOS})(e)[{track}].currentTime")


def wait_until_alone(page, track, number=0):
    """Wait until a track sounds and moves, and no other one sounds."""
    page.wait_for_function(
        f"""([number, track]) => {{
          const all = {SOUNDING};
          const example = document.querySelectorAll('.example')[number];
          const mine = example.querySelectorAll('audio')[track];
          return all.length === 1 && all[0] === mine && mine.currentTime > 0 && !mine.seeking;
        }}""",
        arg=[number, track],
    )


def pressed(page, number=0):
    names = example(page, number).locator("button.name")
    return [i for i in range(names.count()) if names.nth(i).get_attribute("aria-pressed") == "true"]


def clock(page, track):
    """The position of a track and the time, in s."""
    return example(page).evaluate(
        f"e => [({AUDIOS})(e)[{track}].currentTime, performance.now() / 1000]"
    )


def assert_goes_on(page, action, before, after):
    """An action switches to a track, which plays on where the previous one would be.

    A busy computer plays the new track a little late; a track from its beginning would be further
    off.
    """
    place, time = clock(page, before)
    action()
    wait_until_alone(page, after)
    place_now, time_now = clock(page, after)
    assert place > START and place_now - place == pytest.approx(time_now - time, abs=START / 2)


def test_every_track_decodes_and_plays(page):
    for number in range(2):
        example(page, number).hover()
        lasting = example(page, number).evaluate(
            f"""async e => {{ const all = ({AUDIOS})(e);
              for (const a of all) if (!(a.readyState >= 1))
                await new Promise(done => a.addEventListener('loadedmetadata', done));
              return all.map(a => a.duration); }}"""
        )
        assert len(lasting) == 10
        assert all(seconds == pytest.approx(SECONDS, abs=0.01) for seconds in lasting)
        for track in range(10):
            button(page, track, number).click()
            wait_until_alone(page, track, number)


def test_a_click_switches_in_place_and_playing_continues(page):
    example(page).locator(".seek").fill(str(START))
    button(page, 0).click()
    wait_until_alone(page, 0)
    for before, after in ((0, 3), (3, 8), (8, 1)):
        assert_goes_on(page, button(page, after).click, before, after)
        assert pressed(page) == [after]


def test_number_keys_switch_in_place_and_playing_continues(page):
    example(page).locator(".seek").fill(str(START))
    example(page).locator(".play").click()
    wait_until_alone(page, 0)
    for before, after in ((0, 4), (4, 6), (6, 2)):
        assert_goes_on(page, partial(page.keyboard.press, str(after + 1)), before, after)
    assert_goes_on(page, partial(page.keyboard.press, "0"), 2, 9)


def test_switching_while_paused_stays_paused_at_the_place(page):
    button(page, 0).click()
    wait_until_alone(page, 0)
    example(page).locator(".play").click()
    stood = position(page, 0)
    page.keyboard.press("3")
    page.wait_for_timeout(200)
    assert sounding(page) == [] and pressed(page) == [2]
    assert position(page, 2) == pytest.approx(stood, abs=0.02)


def test_space_plays_and_pauses(page):
    button(page, 2).click()
    wait_until_alone(page, 2)
    page.keyboard.press("Space")
    page.wait_for_function(f"{SOUNDING}.length === 0")
    assert example(page).locator(".play").get_attribute("aria-label") == "Play"
    page.keyboard.press("Space")
    wait_until_alone(page, 2)
    # The keys also work with the focus elsewhere, and after a switch by a key.
    page.keyboard.press("5")
    wait_until_alone(page, 4)
    page.keyboard.press("Space")
    page.wait_for_function(f"{SOUNDING}.length === 0")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    wait_until_alone(page, 4)
    assert pressed(page) == [4]


def test_arrows_go_by_a_second(page):
    example(page).locator(".seek").fill("2")
    page.keyboard.press("ArrowRight")
    assert position(page, 0) == pytest.approx(3, abs=0.01)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert position(page, 0) == pytest.approx(1, abs=0.01)
    assert example(page).locator(".time").inner_text() == f"1.0 / {SECONDS}.0 s"


def test_keys_do_nothing_before_a_player_was_used_and_in_other_elements(page):
    page.keyboard.press("Space")
    page.keyboard.press("2")
    assert sounding(page) == [] and pressed(page) == [0]
    button(page, 0).click()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input id=other>')")
    page.locator("#other").press_sequentially("2 3")
    assert page.locator("#other").input_value() == "2 3" and pressed(page) == [0]


def test_only_one_example_sounds(page):
    button(page, 0).click()
    wait_until_alone(page, 0)
    button(page, 1, number=1).click()
    wait_until_alone(page, 1, number=1)
    assert example(page).locator(".play").get_attribute("aria-label") == "Play"
    page.keyboard.press("4")
    wait_until_alone(page, 3, number=1)


def test_fast_switching_ends_with_the_last_track(page):
    button(page, 0).click()
    for key in "2345678923":
        page.keyboard.press(key)
    wait_until_alone(page, 2)
    page.wait_for_timeout(300)
    assert sounding(page) == [[0, 2]]


def test_a_click_in_a_picture_seeks_and_switches(page):
    picture = example(page).locator(".tile").nth(5)
    box = picture.bounding_box()
    _, before = clock(page, 5)
    picture.click(position={"x": box["width"] / 2, "y": 20})
    wait_until_alone(page, 5)
    place, now = clock(page, 5)
    assert SECONDS / 2 - 0.1 <= place <= SECONDS / 2 + 0.1 + now - before
    at, place = example(page).evaluate(
        f"e => [Number(e.style.getPropertyValue('--at')), ({AUDIOS})(e)[5].currentTime]"
    )
    assert at == pytest.approx(place / SECONDS, abs=0.1)


def test_the_end_stops_and_playing_again_begins(page):
    example(page).locator(".seek").fill(str(SECONDS - 0.2))
    example(page).locator(".play").click()
    page.wait_for_function(f"{SOUNDING}.length === 0 && document.querySelector('audio').ended")
    assert example(page).locator(".play").get_attribute("aria-label") == "Play"
    example(page).locator(".play").click()
    wait_until_alone(page, 0)
    assert position(page, 0) < 1


def test_works_as_a_single_file(visit, index, tmp_path):
    write_single_file(index, tmp_path / "report.html")
    page = visit(tmp_path / "report.html")
    button(page, 0).click()
    wait_until_alone(page, 0)
    button(page, 7).click()
    wait_until_alone(page, 7)


def test_without_scripts_the_browsers_own_controls_stay(visit, index):
    page = visit(index, java_script_enabled=False)
    assert page.locator("audio[controls]:visible").count() == 20
    assert page.locator(".example button:visible").count() == 0


@pytest.mark.parametrize("width", [375, 1200])
def test_fits_the_screen(visit, index, width):
    page = visit(index, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pictures_have_texts_and_sliders_have_names(page):
    assert page.evaluate("[...document.images].every(i => i.alt && i.naturalWidth > 0)")
    assert page.get_by_role("slider", name="Position in seconds").count() == 2
    assert page.get_by_role("button", name="Play").count() == 2
