import io
import re
import stat
import tarfile
import zipfile
from itertools import pairwise

import pytest
import served as make

from pipeline.corpora.archives import (
    Everything,
    FirstSpeakers,
    damage,
    draw,
    place_of,
    take_from_tar,
    take_from_zip,
    zip_members,
)
from pipeline.corpora.transfer import Corrupt

FILES = [
    ("L/part/1/2/a.txt", b"text"),
    ("L/part/1/2/b.bin", b"more" * 500),
    ("L/SPEAKERS.TXT", b"1"),
]
UNSAFE = [
    "../part/x",
    "/part/x",
    "L/part/../../x",
    "L\\part\\x",
    "C:/part/x",
    "L/part/a/../../../x",
]


def untar(content, into, selection=None, check_sound=False):
    with damage(), tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return take_from_tar(tar, "part", into, selection or Everything(), check_sound)


def unzip(content, into, take=None):
    with damage(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = zip_members(archive, "part", len(content))
        return take_from_zip(archive, take(members) if take else members, into)


def refused(function, content, into) -> str:
    with pytest.raises(Corrupt) as error:
        function(content, into)
    assert not [path for path in into.parent.rglob("*x") if path.is_file()]
    return str(error.value)


def written(into) -> dict[str, bytes]:
    files = [path for path in into.rglob("*") if path.is_file()]
    return {str(path.relative_to(into)): path.read_bytes() for path in files}


@pytest.fixture
def into(tmp_path):
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def test_a_tar_is_unpacked_below_its_folder(into):
    taken = untar(make.make_tar(FILES), into)
    assert written(into) == {"1/2/a.txt": b"text", "1/2/b.bin": b"more" * 500}
    assert taken.files == {"1/2/a.txt": 4, "1/2/b.bin": 2000}
    assert taken.notes == {"SPEAKERS.TXT": b"1"}


def test_a_zip_is_unpacked_below_its_folder(into):
    assert unzip(make.make_zip(FILES), into).files == {"1/2/a.txt": 4, "1/2/b.bin": 2000}
    assert written(into) == {"1/2/a.txt": b"text", "1/2/b.bin": b"more" * 500}


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("pack, unpack", [(make.make_tar, untar), (make.make_zip, unzip)])
def test_a_name_that_leads_out_is_refused(into, name, pack, unpack):
    content = pack([(name, b"evil")])
    assert refused(unpack, content, into) == f"holds the unsafe name '{name}'"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a"])
def test_links_and_devices_in_a_tar_are_refused(into, kind, target):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("L/part/x")
        info.type, info.linkname = kind, target
        tar.addfile(info)
    assert "neither file nor folder" in refused(untar, packed.getvalue(), into)


def test_links_in_a_zip_are_refused(into):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("L/part/x")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "a link or an encrypted file" in refused(unzip, packed.getvalue(), into)


def test_a_name_that_stands_twice_in_a_zip_is_refused(into):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = make.make_zip([("L/part/x", b"1"), ("L/part/x", b"2")])
    assert "twice" in refused(unzip, content, into)


def test_a_zip_that_swells_is_refused(into):
    content = make.make_zip([("L/part/x", b"\0" * 10_000_000)])
    assert re.search(r"of \d+ bytes claims to unpack to 10000000", refused(unzip, content, into))


def test_a_zip_member_longer_than_it_says_is_refused(into):
    content = bytearray(make.make_zip([("L/part/x", b"long" * 100)]))
    for place in (content.index(b"PK\1\2") + 24, 22):  # directory's and member's own size
        content[place : place + 4] = (7).to_bytes(4, "little")
    assert "damaged" in refused(unzip, bytes(content), into)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("pack, unpack", [(make.make_tar, untar), (make.make_zip, unzip)])
def test_a_truncated_archive_is_refused(into, pack, unpack, part):
    noisy = [("L/part/x", bytes(k * k % 251 for k in range(50_000)))]
    content = pack(noisy)
    with pytest.raises(Corrupt):
        unpack(content[: int(part * len(content))], into)


@pytest.mark.parametrize("pack, unpack", [(make.make_tar, untar), (make.make_zip, unzip)])
def test_what_is_no_archive_is_refused(into, pack, unpack):
    assert refused(unpack, b"<html>not here</html>" * 50, into).startswith("damaged archive (")


def test_a_flipped_byte_in_a_zip_is_refused(into):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("L/part/x", b"sound" * 100)
    content = bytearray(packed.getvalue())
    content[60] ^= 1
    assert "Bad CRC-32" in refused(unzip, bytes(content), into)


def test_a_flipped_byte_in_a_flac_is_refused(into, corpus):
    flac = bytearray(corpus.speak("train", "1").read_bytes())
    flac[len(flac) // 2] ^= 1
    members = [("L/part/1/7/a.flac", bytes(flac))]
    with pytest.raises(Corrupt, match=r"'L/part/1/7/a.flac': (its sound|cannot be read)"):
        untar(make.make_tar(members), into, check_sound=True)
    assert not written(into)


def test_what_lies_there_whole_is_not_unpacked_again(into):
    unzip(make.make_zip(FILES), into)
    (into / "1/2/a.txt").write_bytes(b"TEXT")  # same size, another CRC
    kept = (into / "1/2/b.bin").stat().st_mtime_ns
    unzip(make.make_zip(FILES), into)
    assert (into / "1/2/a.txt").read_bytes() == b"text"
    assert (into / "1/2/b.bin").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    "name, place",
    [
        ("LibriSpeech/part/1/2/a.flac", (True, "1/2/a.flac")),
        ("part/tr/a.wav", (True, "tr/a.wav")),
        ("LibriSpeech/part", None),
        ("LibriSpeech/README.TXT", (False, "README.TXT")),
        ("LibriSpeech/other/1/2/a.flac", None),
        ("stray.bin", None),
    ],
)
def test_where_members_belong(name, place):
    assert place_of(name, "part") == place


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


def test_reading_goes_on_to_the_transcript_behind():
    late = ["9/a/1.flac", "9/a/2.flac", "9/a/3.flac", "9/a/t.trans.txt", "3/c/1.flac"]
    assert taken(1, 1, late) == (["9/a/1.flac", "9/a/t.trans.txt"], 4)
    assert taken(1, 1, [late[0], *late[3:]]) == (["9/a/1.flac", "9/a/t.trans.txt"], 2)
    assert taken(1, 1, [*late[:3], late[4]]) == (["9/a/1.flac"], 4)  # the archive has none


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
