"""Archives: no name, no kind of member and no damage writes outside the target folder."""

import io
import shutil
import stat
import tarfile
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import make_tar, make_zip

from pipeline.corpora.archives import damage, take_from_tar, take_from_zip, zip_members
from pipeline.corpora.selection import FirstSpeakers
from pipeline.corpora.swelling import Allowance, Member
from pipeline.fetch.remote import Corrupt

parts = st.sampled_from(
    ["..", ".", "", "a", "A", "1", "x.flac", "é", "a\x00b", "\n", "~", "n" * 300]
)
parts |= st.text(max_size=8)
names = st.builds(
    lambda root, below: root + "/".join(below),
    st.sampled_from(["L/part/", "part/", "/", "L/part", "../part/", "L/", "C:\\part\\", ""]),
    st.lists(parts, max_size=4),
)
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
KINDS += [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE]
usual = st.sampled_from([tarfile.REGTYPE] * 12 + KINDS)
targets = st.sampled_from(["/etc/passwd", "../../outside", "a", "L/part/a", ".."])
members = st.lists(st.tuples(names, usual, targets, st.binary(max_size=50)), max_size=6)
good = [("L/part/1/2/a.txt", b"text" * 200), ("L/part/1/3/b", b"\0" * 3000), ("L/README.TXT", b"1")]


@pytest.fixture
def around(tmp_path_factory):
    """A folder with a file of another user, and the folder `into` for unpacking."""
    return tmp_path_factory.mktemp("around")


def unpack(content, around, kind):
    """Unpack, or be refused; in both cases the result is only plain files below `into`."""
    shutil.rmtree(around / "into", ignore_errors=True)
    (around / "into").mkdir()
    (around / "outside").write_text("mine")
    try:
        (untar if kind == "tar" else unzip)(content, around / "into")
    except Corrupt as error:
        assert str(error)
    assert sorted(p.name for p in around.iterdir()) == ["into", "outside"]
    assert (around / "outside").read_text() == "mine"
    modes = {stat.S_IFMT(path.lstat().st_mode) for path in around.rglob("*")}
    assert modes <= {stat.S_IFREG, stat.S_IFDIR}
    assert not [path for path in around.rglob(".*.part")]


def untar(content, into):
    with damage(), tarfile.open(fileobj=io.BytesIO(content), tarinfo=Member) as tar:
        allowance = Allowance(lambda: len(content))
        take_from_tar(tar, "part", into, FirstSpeakers(), allowance, check_sound=False)


def unzip(content, into):
    with damage(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        take_from_zip(archive, zip_members(archive, "part", len(content)), into)


@given(members, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_no_member_of_a_tar_leaves_its_folder(around, members, format):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format, errors="surrogatepass") as tar:
        for name, kind, target, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, len(content)
            tar.addfile(info, io.BytesIO(content))
    unpack(packed.getvalue(), around, "tar")


@given(members)
def test_no_member_of_a_zip_leaves_its_folder(around, members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, kind, target, content in members:
            info = zipfile.ZipInfo()
            info.filename = name.encode("utf-8", "replace").decode()
            mode = stat.S_IFLNK if kind == tarfile.SYMTYPE else stat.S_IFREG
            info.external_attr = (mode | 0o777) << 16
            archive.writestr(info, target if kind == tarfile.SYMTYPE else content)
    unpack(packed.getvalue(), around, "zip")


def compressed(mode):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in good:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


ARCHIVES = [("tar", make_tar(good)), ("zip", make_zip(good))]
ARCHIVES += [("tar", compressed(mode)) for mode in ("w:gz", "w:bz2", "w:xz", "w")]


@given(st.sampled_from(ARCHIVES), st.data())
def test_a_damaged_archive_is_unpacked_or_refused(around, archive, data):
    kind, content = archive
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        end = place + data.draw(st.sampled_from([0, 1, 4, len(content)]))
        content = content[:place] + data.draw(st.binary(max_size=4)) + content[end:]
    unpack(content, around, kind)


@given(st.binary(max_size=1500), st.sampled_from(["tar", "zip"]))
def test_any_bytes_are_unpacked_or_refused(around, content, kind):
    unpack(content, around, kind)
