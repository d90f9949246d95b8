import io
import random
import re
import stat
import tarfile
import zipfile

import pytest
import served as make

from pipeline.corpora.archives import damage, place_of, take_from_tar, take_from_zip, zip_members
from pipeline.corpora.selection import FirstSpeakers
from pipeline.corpora.swelling import Allowance, Member
from pipeline.fetch.remote import Corrupt

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
    "L/part/a|x",
    "L/part/a\nx",
]


def untar(content, into, check_sound=False):
    with damage(), tarfile.open(fileobj=io.BytesIO(content), tarinfo=Member) as tar:
        allowance = Allowance(lambda: len(content))
        return take_from_tar(tar, "part", into, FirstSpeakers(), allowance, check_sound)


def unzip(content, into):
    with damage(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = zip_members(archive, "part", len(content))
        take_from_zip(archive, members, into)
        return members


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
    assert list(unzip(make.make_zip(FILES), into)) == ["1/2/a.txt", "1/2/b.bin"]
    assert written(into) == {"1/2/a.txt": b"text", "1/2/b.bin": b"more" * 500}


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("pack, unpack", [(make.make_tar, untar), (make.make_zip, unzip)])
def test_a_name_that_leads_out_is_refused(into, name, pack, unpack):
    content = pack([(name, b"evil")])
    assert refused(unpack, content, into) == f"holds the unsafe name {name!r}"


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


def test_a_name_that_occurs_twice_in_a_zip_is_refused(into):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = make.make_zip([("L/part/x", b"1"), ("L/part/x", b"2")])
    assert "twice" in refused(unzip, content, into)


def test_a_zip_that_unpacks_to_too_much_is_refused(into):
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
def test_a_file_that_is_not_an_archive_is_refused(into, pack, unpack):
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


def test_complete_files_are_not_unpacked_again(into):
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


def test_names_that_are_not_utf_8_are_refused(into):
    content = make.make_tar([("L/part/1/2/caf\udce9", b"1")])
    assert "unsafe name 'L/part/1/2/caf\\udce9'" in refused(untar, content, into)


@pytest.mark.parametrize("pack, unpack", [(make.make_tar, untar), (make.make_zip, unzip)])
def test_names_of_any_language_are_kept(into, pack, unpack):
    name = "L/part/1/2/größe – 音.flac"
    unpack(pack([(name, b"1")]), into)
    assert written(into) == {"1/2/größe – 音.flac": b"1"}


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("place", [5000, -3])  # in the content, in the checksum behind it
def test_a_flipped_byte_in_a_compressed_tar_is_refused(into, mode, place):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        info = tarfile.TarInfo("L/part/1/2/x")
        info.size = 10_000
        tar.addfile(info, io.BytesIO(random.Random(0).randbytes(info.size)))
    content = bytearray(packed.getvalue())
    content[place] ^= 1
    with pytest.raises(Corrupt, match="damaged archive"):
        untar(bytes(content), into)


def test_a_failing_disk_is_not_damage():
    with pytest.raises(OSError, match="Input/output"), damage():
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("members", [[], [("L/other/1/a", b"1")], [("L/part/stray", b"1")]])
def test_an_archive_without_the_part_is_refused(into, members):
    assert "holds nothing in a folder 'part'" in refused(untar, make.make_tar(members), into)


def test_a_zip64_is_unpacked(into, monkeypatch):
    for name in ("ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"):
        monkeypatch.setattr(zipfile, name, 1)
    content = make.make_zip(FILES)
    monkeypatch.undo()
    assert b"PK\6\6" in content and list(unzip(content, into)) == ["1/2/a.txt", "1/2/b.bin"]
    assert written(into) == {"1/2/a.txt": b"text", "1/2/b.bin": b"more" * 500}
