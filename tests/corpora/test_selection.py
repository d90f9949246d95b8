from itertools import pairwise

import pytest

from pipeline.corpora.selection import FirstSpeakers, draw, selected, widest

ORDER = [
    f"{speaker}/{chapter}/{name}"
    for speaker, chapters in (("9", "ab"), ("3", "c"), ("7", "d"))
    for chapter in chapters
    for name in ("1.flac", "t.trans.txt", "2.flac", "3.flac")
]


def taken(max_speakers, max_utterances, names=ORDER):
    selection, found = FirstSpeakers(max_speakers, max_utterances), []
    for number, name in enumerate(names, 1):
        if selection.takes(name):
            found.append(name)
        if selection.done:
            return found, number
    return found, len(names)


def test_the_first_speakers_are_taken_until_the_next_turns_up():
    assert taken(2, None) == (ORDER[:12], 13)
    assert taken(1, None) == (ORDER[:8], 9)
    assert taken(3, None) == taken(None, None) == (ORDER, 16)


def test_reading_ends_when_all_are_full():
    found, number = taken(2, 2)
    assert found == [*ORDER[:3], "9/b/t.trans.txt", *ORDER[8:11]]
    assert number == 11


def test_reading_continues_to_the_transcript_behind():
    late = ["9/a/1.flac", "9/a/2.flac", "9/a/3.flac", "9/a/t.trans.txt", "3/c/1.flac"]
    assert taken(1, 1, late) == (["9/a/1.flac", "9/a/t.trans.txt"], 4)
    assert taken(1, 1, [late[0], *late[3:]]) == (["9/a/1.flac", "9/a/t.trans.txt"], 2)
    assert taken(1, 1, [*late[:3], late[4]]) == (["9/a/1.flac"], 4)  # the archive has no transcript


@pytest.mark.parametrize("narrow", [(1, None), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("wide", [(None, None), (2, None), (3, 2), (2, 2)])
def test_a_narrower_selection_of_a_wider_is_that_of_the_archive(narrow, wide):
    if (narrow[1] or 9) > (wide[1] or 9):
        pytest.skip("not narrower")

    def sound(names):
        return [name for name in names if name.endswith(".flac")]

    assert sound(taken(*narrow, taken(*wide)[0])[0]) == sound(taken(*narrow)[0])


NAMES = [
    f"{folder}/{k}.wav" for folder, n in (("tr", 200), ("cv", 50), ("tt", 3)) for k in range(n)
]


def test_a_draw_has_its_share_of_every_folder():
    assert len(draw(NAMES, 50, 0)) == 50
    count = {f: sum(n.startswith(f) for n in draw(NAMES, 50, 0)) for f in ("tr", "cv", "tt")}
    assert abs(count["tr"] - 39) <= 1 and abs(count["cv"] - 10) <= 1 and count["tt"] >= 1
    assert {name[:2] for name in draw(NAMES, 3, 0)} == {"tr", "cv", "tt"}
    assert draw(NAMES, None, 0) == draw(NAMES, 999, 0) == sorted(NAMES)


def test_fewer_are_among_more_and_seeds_differ():
    sets = [set(draw(NAMES, count, 1)) for count in range(3, 254)]
    assert all(less < more for less, more in pairwise(sets))
    assert draw(NAMES, 30, 1) == draw(reversed(NAMES), 30, 1) != draw(NAMES, 30, 2)


@pytest.mark.parametrize(
    "held, wanted, both",
    [((2, 3), (1, 4), (2, 4)), ((2, None), (None, 1), (None, None)), ((1, 1), (1, 1), (1, 1))],
)
def test_the_widest_of_two_selections(held, wanted, both):
    keys = ("max_speakers", "max_utterances")
    one, two, union = (dict(zip(keys, limits, strict=True)) for limits in (held, wanted, both))
    assert widest(one, two) == widest(two, one) == union


def test_files_are_selected_in_their_order():
    files = dict.fromkeys(ORDER, 5)
    assert list(selected(files, FirstSpeakers(2, 2))) == taken(2, 2)[0]
    assert selected(files, FirstSpeakers()) == files
