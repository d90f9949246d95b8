"""Unpack files from archives from outside, none of them out of the part's folder."""

import errno
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from pipeline import audio
from pipeline.base.errors import PipelineError, in_short
from pipeline.base.files import replacing
from pipeline.corpora.selection import FirstSpeakers
from pipeline.corpora.swelling import MOST_SWELLING, Allowance, check_members
from pipeline.fetch.remote import Corrupt, RangeFile

NOTES = {"speakers.txt", "license.txt", "licence.txt", "readme.txt", "chapters.txt", "books.txt"}
MOST_NOTE = 1 << 24  # bytes of a text file beside the corpus
# Separators of other systems, characters that manifests or logs cannot hold, and invalid UTF-8.
UNSAFE = re.compile(r"[\\:|\x00-\x1f\ud800-\udfff]")
# Errors of the disk for a name that is too long, or that is both a file and a folder.
UNWRITABLE = {errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}
WINDOW = 1 << 24  # bytes of neighbouring zip members that are fetched with one request


class Place(NamedTuple):
    """The place of a member: below the part's folder, or a note beside it."""

    inside: bool
    path: str


@dataclass
class Taken:
    """The unpacked files, below the part's folder, with their bytes, and the notes beside it."""

    files: dict[str, int] = field(default_factory=dict)
    notes: dict[str, bytes] = field(default_factory=dict)


def place_of(name: str, folder: str) -> Place | None:
    """Return the place of the member `name`; None if it is not of the part.

    Args:
        name: path inside the archive.
        folder: last component of the part's folder, below which the archive holds the part.

    Raises:
        Corrupt: the name leads out of the archive.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or UNSAFE.search(name):
        raise Corrupt(f"holds the unsafe name {name!r}")
    if folder in path.parts[:-1]:
        below = path.parts[path.parts.index(folder) + 1 :]
        return Place(True, "/".join(below))
    if len(path.parts) <= 2 and path.name.lower() in NOTES:
        return Place(False, path.name)
    return None


def take_from_tar(
    tar: tarfile.TarFile,
    folder: str,
    into: Path,
    limits: FirstSpeakers,
    allowance: Allowance,
    check_sound: bool,
) -> Taken:
    """Unpack the members of a tar that `limits` selects, in its order, into the folder `into`.

    Args:
        tar: opened for reading with `swelling.Member`, as a file or as a stream.
        folder: see `place_of`.
        into: a folder of our own; each file is written atomically.
        limits: decides on every member of the part.
        allowance: limits the bytes that are written.
        check_sound: compare every FLAC with the MD5 inside it, if the archive as a whole could not
            be checked.

    Raises:
        Corrupt: the archive is damaged, has unsafe names, links or too many bytes, or nothing of
            the part; or a sound differs from the one that was encoded.
    """
    taken = Taken()
    with damage():
        for member, place in _members(tar, folder, into):
            if not place.inside:
                taken.notes[place.path] = _note(tar, member, allowance)
            elif limits.takes(place.path):
                _unpack(tar, member, into / place.path, allowance)
                if check_sound and place.path.lower().endswith(".flac"):
                    _check_sound(into / place.path, member.name)
                taken.files[place.path] = member.size
            if limits.done:
                break
    if not taken.files:
        raise Corrupt(f"holds nothing in a folder '{folder}'; check unpacks_to in the catalogue")
    return taken


def _members(
    tar: tarfile.TarFile, folder: str, into: Path
) -> Iterator[tuple[tarfile.TarInfo, Place]]:
    """Files of the part; the tar is read to its end, where compressed files have a checksum."""
    bar = tqdm(tar, f"unpacking {folder}", unit=" files", disable=None)
    for number, member in enumerate(bar, 1):
        check_members(number)
        place = place_of(member.name, folder)
        if member.isdir():
            continue
        if not member.isfile():
            raise Corrupt(f"holds '{member.name}', which is neither file nor folder")
        tarfile.data_filter(member, str(into))  # a second check of names
        if place is not None:
            yield member, place
    while tar.fileobj and tar.fileobj.read(1 << 20):
        pass


def _unpack(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, allowance: Allowance
) -> None:
    content = tar.extractfile(member)
    assert content is not None  # of a file
    _copy(content, target, member.size, member.name, allowance)


def zip_members(archive: zipfile.ZipFile, folder: str, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the files of the part in a zip: path below the part's folder to entry, in order.

    Raises:
        Corrupt: unsafe names, links, encryption, or more than an archive of that `size` can hold.
    """
    check_members(len(archive.infolist()))
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        place = place_of(info.filename, folder)
        if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 1:
            raise Corrupt(f"holds '{info.filename}', a link or an encrypted file")
        if place is None or not place.inside or info.is_dir():
            continue
        if place.path in members:
            raise Corrupt(f"holds '{info.filename}' twice")
        members[place.path] = info
    swollen = sum(info.file_size for info in members.values())
    if swollen > MOST_SWELLING * size:
        raise Corrupt(f"of {size} bytes claims to unpack to {swollen}")
    return members


def take_from_zip(
    archive: zipfile.ZipFile,
    wanted: dict[str, zipfile.ZipInfo],
    into: Path,
    remote: RangeFile | None = None,
) -> None:
    """Unpack members of a zip into the folder `into`, and check their CRC-32.

    Files that exist with the right size and CRC are neither read nor fetched.

    Args:
        archive: opened for reading.
        wanted: path below `into` to its entry.
        into: a folder of our own.
        remote: the file behind `archive` if it is remote; adjacent members are fetched together.

    Raises:
        Corrupt: damaged members.
    """
    missing = {path: info for path, info in wanted.items() if not _is_there(into / path, info)}
    ends = _ends(archive)
    bar = tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit=" files", disable=None)
    with damage(), bar:
        for group in _neighbours(missing, ends):
            if remote is not None:
                remote.prefetch(group[0][1].header_offset, ends[group[-1][1].header_offset])
            for path, info in group:
                with archive.open(info) as content:
                    _copy(content, into / path, info.file_size, info.filename)
                bar.update()


@contextmanager
def damage() -> Iterator[None]:
    """Turn errors of the standard library about damaged archives into `Corrupt`."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError) as error:
        raise Corrupt(f"damaged archive ({in_short(error)})") from error
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise Corrupt(f"holds a name that cannot be written ({error.strerror})") from error
        if error.errno is not None:  # of the disk; gzip and bz2 have no class of their own
            raise
        raise Corrupt(f"damaged archive ({in_short(error)})") from error
    except (RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise Corrupt(f"an archive of an unknown kind ({in_short(error)})") from error


def _is_there(path: Path, info: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC


def _ends(archive: zipfile.ZipFile) -> dict[int, int]:
    """The end of each member by its beginning: the next member, or the directory."""
    begins = sorted(info.header_offset for info in archive.infolist())
    return dict(pairwise([*begins, archive.start_dir]))


def _neighbours(
    members: dict[str, zipfile.ZipInfo], ends: dict[int, int]
) -> Iterator[list[tuple[str, zipfile.ZipInfo]]]:
    """Members in the order of the archive; adjacent ones together up to `WINDOW` bytes."""
    group: list[tuple[str, zipfile.ZipInfo]] = []
    for path, info in sorted(members.items(), key=lambda item: item[1].header_offset):
        if group:
            begin, end = group[0][1].header_offset, ends[group[-1][1].header_offset]
            if end != info.header_offset or ends[info.header_offset] - begin > WINDOW:
                yield group
                group = []
        group.append((path, info))
    if group:
        yield group


def _copy(
    content: IO[bytes], target: Path, size: int, name: str, allowance: Allowance | None = None
) -> None:
    """Write exactly `size` bytes, atomically."""
    left = size
    with replacing(target) as temporary, temporary.open("wb") as file:
        while chunk := content.read(min(left, 1 << 20) or 1):
            left -= len(chunk)
            if left < 0:
                raise Corrupt(f"holds '{name}', which is longer than it says")
            if allowance:
                allowance.take(len(chunk))
            file.write(chunk)
        if left:
            raise Corrupt(f"holds '{name}', of which {left} bytes are missing")


def _note(tar: tarfile.TarFile, member: tarfile.TarInfo, allowance: Allowance) -> bytes:
    if member.size > MOST_NOTE:
        raise Corrupt(f"holds '{member.name}' of {member.size} bytes, too long for a text")
    allowance.take(member.size)
    content = tar.extractfile(member)
    assert content is not None  # of a file
    return content.read()


def _check_sound(path: Path, name: str) -> None:
    try:
        audio.check_flac(path)
    except PipelineError as error:
        path.unlink()
        fault = (
            str(error).removeprefix(f"{path}: ").partition("; ")[0]
        )  # the cure is another mirror
        raise Corrupt(f"'{name}': {fault}") from error
