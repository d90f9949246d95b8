"""Archives that unpack to far more than their size: they are refused early, and leave no files."""

import io
import random
import resource
import tarfile
import zipfile

import pytest
import served as make
from served import refused

from pipeline.corpora import swelling
from pipeline.corpora.archives import damage, take_from_tar, zip_members
from pipeline.corpora.selection import FirstSpeakers
from pipeline.corpora.swelling import Allowance, Member
from pipeline.fetch.remote import Corrupt

NOISE = random.Random(0).randbytes(50_000)


def pack(*members, mode="w:gz", format=tarfile.PAX_FORMAT):
    """A tar of members with given attributes, and their `content`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=format) as tar:
        for attributes in members:
            content = attributes.get("content", b"")
            info = tarfile.TarInfo("L/part/1/7/x")
            info.size = len(content)
            for name, value in attributes.items():
                if name != "content":
                    setattr(info, name, value)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def holed(size, *places, content=b""):
    """A file of `size` zero bytes, except at (place, length)."""
    places = places or [(size, 0)]
    numbers = ",".join(str(number) for place in places for number in place)
    headers = {"GNU.sparse.map": numbers, "GNU.sparse.size": str(size)}
    return {"pax_headers": headers, "content": content}


@pytest.fixture(params=["r|*", "r:*"])
def untar(request, tmp_path):
    """`untar(content)` unpacks as a stream or as a file, and returns the unpacked files by name."""

    def run(content):
        into = tmp_path / "into"
        into.mkdir(exist_ok=True)
        allowance = Allowance(lambda: len(content))
        file = io.BytesIO(content)
        with damage(), tarfile.open(fileobj=file, mode=request.param, tarinfo=Member) as tar:
            taken = take_from_tar(tar, "part", into, FirstSpeakers(), allowance, False)
        return {name: (into / name).read_bytes() for name in taken.files}

    return run


@pytest.fixture
def small_files():
    """No file may grow beyond 100 kB: an archive is refused before that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def nothing_left(folder):
    return not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [2_000_000_000, 2**50])
def test_a_hole_of_gigabytes_is_refused(untar, tmp_path, small_files, size):
    content = pack(holed(size))
    assert len(content) < 250
    with pytest.raises(Corrupt, match=rf"^unpacks to more than 100 times its {len(content)} bytes"):
        untar(content)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_zeros_that_are_written_out_are_refused(untar, tmp_path, small_files, mode):
    with pytest.raises(Corrupt, match="unpacks to more than 100 times its"):
        untar(pack({"content": bytes(10_000_000)}, mode=mode))
    assert nothing_left(tmp_path)


def test_many_files_count_together(untar, tmp_path):
    """Each is within the limit, all together are not; a name that occurs twice counts twice."""
    members = [{"content": bytes(5000), "name": f"L/part/1/7/{k % 7}"} for k in range(50)]
    with pytest.raises(Corrupt, match="unpacks to more than"):
        untar(pack(*members))


def test_notes_count_too(untar):
    notes = [
        {"content": bytes(100_000), "name": f"L/{name}"} for name in ("README.TXT", "books.txt")
    ]
    with pytest.raises(Corrupt, match="unpacks to more than"):
        untar(pack(*notes, {"content": b"1"}))


def test_an_archive_with_the_compression_of_sound_is_unpacked(untar):
    silence = {"content": bytes(400_000)}
    sound = {"content": NOISE, "name": "L/part/1/7/y"}
    assert untar(pack(sound, silence)) == {"1/7/y": NOISE, "1/7/x": bytes(400_000)}


def test_a_file_with_some_holes_is_unpacked(untar):
    half = len(NOISE) // 2
    places = [(0, half), (100_000, half), (200_000, 0)]
    found = untar(pack(holed(200_000, *places, content=NOISE)))["1/7/x"]
    assert found == NOISE[:half] + bytes(100_000 - half) + NOISE[half:] + bytes(100_000 - half)


def test_a_stream_may_unpack_in_proportion_to_the_bytes_read(tmp_path):
    """The part that will be read later does not count, since it may not exist."""
    content, read = pack({"content": NOISE}), [400]
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|*", tarinfo=Member) as tar:
        allowance = Allowance(lambda: read[0])
        with pytest.raises(Corrupt, match="100 times its 400 bytes"):
            take_from_tar(tar, "part", tmp_path, FirstSpeakers(), allowance, False)
    read[0] = 600
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|*", tarinfo=Member) as tar:
        allowance = Allowance(lambda: read[0])
        assert take_from_tar(tar, "part", tmp_path, FirstSpeakers(), allowance, False).files


@pytest.mark.parametrize("number, fits", [(5, True), (6, False)])
def test_members_are_counted(untar, monkeypatch, number, fits):
    monkeypatch.setattr(swelling, "MOST_MEMBERS", 5)
    members = [(f"L/part/1/7/{k}", b"1") for k in range(number - 1)] + [("L/other", b"1")]
    zipped = make.make_zip(members)
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        if fits:
            assert len(untar(make.make_tar(members))) == len(zip_members(archive, "part", 999)) == 4
            return
        with pytest.raises(Corrupt, match="holds more than 5 members"):
            zip_members(archive, "part", 999)
    with pytest.raises(Corrupt, match="holds more than 5 members"):
        untar(make.make_tar(members))


LONG = "a" * 2_000_000
HEADERS = [
    ({"name": f"L/part/{LONG}"}, tarfile.GNU_FORMAT),
    ({"name": f"L/part/{LONG}"}, tarfile.PAX_FORMAT),
    ({"pax_headers": {"comment": LONG}}, tarfile.PAX_FORMAT),
    ({"pax_headers": {"GNU.sparse.map": "0,0," * 500_000 + "0,0"}}, tarfile.PAX_FORMAT),
    (
        {
            "pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
            "content": b"1000000\n" + b"0\n" * 2_000_000,
        },
        tarfile.PAX_FORMAT,
    ),
]


@pytest.mark.parametrize("behind", [[], [{"content": b"1"}]], ids=["first", "second"])
@pytest.mark.parametrize("member, format", HEADERS, ids=["gnu", "pax", "comment", "map", "holes"])
def test_a_header_without_an_end_is_not_read(untar, member, format, behind):
    content = pack(*behind, member, format=format)
    with pytest.raises(Corrupt, match=r"holds a member with a header of more than 1\.0 MB"):
        untar(content)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_header_may_be_longer_than_usual(untar, format):
    """A name of 200 characters follows the header of 512 bytes."""
    name = "ü" * 100
    found = untar(pack({"name": f"L/part/1/7/{name}", "content": b"1"}, format=format))
    assert found == {f"1/7/{name}": b"1"}


@pytest.mark.parametrize("limits", [{}, {"max_speakers": 1}], ids=["whole", "streamed"])
def test_a_part_that_unpacks_to_too_much_is_named(parts, served, fetched, limits, small_files):
    content = pack(holed(2_000_000_000) | {"name": "L/test-clean/1/7/1-7-0000.flac"})
    served.files["/bomb"] = content
    message = refused(fetched, make.part_of(served, "test-clean", "/bomb"), **limits)
    line = f"{served.url('/bomb')}: unpacks to more than 100 times its {len(content)} bytes"
    assert message == (
        f"test-clean: no mirror serves it whole and right ({line});"
        " add another with corpora.download.catalogue"
    )
    assert not list(fetched.folder.rglob("*.flac"))
