"""What is taken out of archives from elsewhere, and that nothing of it leaves its folder."""

import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, Protocol

from tqdm import tqdm

from pipeline import audio
from pipeline.corpora.remote import RangeFile
from pipeline.corpora.transfer import Corrupt
from pipeline.errors import PipelineError
from pipeline.files import replacing

NOTES = {"speakers.txt", "license.txt", "licence.txt", "readme.txt", "chapters.txt", "books.txt"}
MOST_NOTE = 1 << 24  # bytes of a text beside the corpus
MOST_SWELLING = 100  # times its size that an archive of sound may unpack to
WINDOW = 1 << 24  # bytes of neighbouring zip members that are fetched with one request


class Place(NamedTuple):
    """Where a member belongs: below the part's folder, or a note beside it."""

    inside: bool
    path: str


class Selection(Protocol):
    """Decides in the archive's order what to take; `done` when nothing after it can count."""

    done: bool

    def takes(self, path: str) -> bool:
        """Whether to take the member of that path below the part's folder."""
        ...


class Everything:
    """Takes every member."""

    done = False

    def takes(self, path: str) -> bool:
        """Yes."""
        return True


@dataclass
class FirstSpeakers:
    """The first speakers of an archive and the first utterances of each, in the archive's order.

    Members are `<speaker>/<chapter>/<file>`. Reading ends at the first member of one speaker
    too many, or, with both limits set, as soon as every speaker has its utterances and the
    transcripts of their chapters. The same archive so gives the same files, and the same
    files give a narrower selection as the archive itself would.
    """

    max_speakers: int | None
    max_utterances: int | None
    done: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)  # chapters with an utterance taken
    read: set[str] = field(default_factory=set)  # chapters with their transcript taken

    def takes(self, path: str) -> bool:
        """Whether the limits leave room for this member."""
        speaker, _, rest = path.partition("/")
        if not rest:
            return False
        if speaker not in self.counts and len(self.counts) == self.max_speakers:
            self.done = True
            return False
        self.counts.setdefault(speaker, 0)
        chapter = path.rpartition("/")[0]
        if path.endswith(".txt"):
            self.read.add(chapter)
        elif self.max_utterances is None or self.counts[speaker] < self.max_utterances:
            self.counts[speaker] += 1
            self.heard.add(chapter)
        else:
            return False
        self.done = self._full()
        return True

    def _full(self) -> bool:
        if len(self.counts) != self.max_speakers or self.max_utterances is None:
            return False
        return min(self.counts.values()) >= self.max_utterances and self.heard <= self.read


@dataclass
class Taken:
    """What came out: files below the part's folder with their bytes, and notes beside it."""

    files: dict[str, int] = field(default_factory=dict)
    notes: dict[str, bytes] = field(default_factory=dict)


def place_of(name: str, folder: str) -> Place | None:
    """Where the member `name` belongs; None for what is not of the part.

    Args:
        name: path inside the archive.
        folder: last component of the part's folder, below which the archive holds the part.

    Raises:
        Corrupt: the name leads out of the archive.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise Corrupt(f"holds the unsafe name '{name}'")
    if folder in path.parts[:-1]:
        below = path.parts[path.parts.index(folder) + 1 :]
        return Place(True, "/".join(below))
    if len(path.parts) <= 2 and path.name.lower() in NOTES:
        return Place(False, path.name)
    return None


def take_from_tar(
    tar: tarfile.TarFile, folder: str, into: Path, selection: Selection, check_sound: bool
) -> Taken:
    """Unpack what `selection` takes of a tar, in its order, into the folder `into`.

    Args:
        tar: opened for reading, as a file or as a stream.
        folder: see `place_of`.
        into: a folder of our own; files are written whole or not at all.
        selection: asked for every member of the part.
        check_sound: compare every FLAC with the MD5 inside it, where the archive as a whole
            could not be checked.

    Raises:
        Corrupt: damaged, unsafe names, links, or sound that is not what was encoded.
    """
    taken = Taken()
    with damage():
        for member in tqdm(tar, f"unpacking {folder}", unit=" files", disable=None):
            place = place_of(member.name, folder)
            if member.isdir():
                continue
            if not member.isfile():
                raise Corrupt(f"holds '{member.name}', which is neither file nor folder")
            tarfile.data_filter(member, str(into))  # a second opinion on names
            if place is not None:
                _take_member(tar, member, place, into, selection, check_sound, taken)
            if selection.done:
                return taken
        while tar.fileobj and tar.fileobj.read(1 << 20):
            pass  # to the end, where a compressed file has its own checksum
    return taken


def _take_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    place: Place,
    into: Path,
    selection: Selection,
    check_sound: bool,
    taken: Taken,
) -> None:
    if place.inside and not selection.takes(place.path):
        return
    content = tar.extractfile(member)
    assert content is not None  # of a file
    if not place.inside:
        taken.notes[place.path] = _note(content, member.name, member.size)
        return
    target = into / place.path
    _copy(content, target, member.size, member.name)
    if check_sound and target.suffix.lower() == ".flac":
        _check_sound(target, member.name)
    taken.files[place.path] = member.size


def zip_members(
    archive: zipfile.ZipFile, folder: str, size: int | None = None
) -> dict[str, zipfile.ZipInfo]:
    """Files of the part in a zip: path below the part's folder to its entry, in the zip's order.

    Raises:
        Corrupt: unsafe names, links, encryption, or more than an archive of that `size` can hold.
    """
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
    if size is not None and swollen > MOST_SWELLING * size:
        raise Corrupt(f"of {size} bytes claims to unpack to {swollen}")
    return members


def take_from_zip(
    archive: zipfile.ZipFile,
    wanted: dict[str, zipfile.ZipInfo],
    into: Path,
    remote: RangeFile | None = None,
) -> Taken:
    """Unpack members of a zip into the folder `into`, each checked by its CRC-32.

    What lies there already with the right size and CRC is neither read nor fetched.

    Args:
        archive: opened for reading.
        wanted: path below `into` to its entry.
        into: a folder of our own.
        remote: the file behind `archive` where it is one; neighbours are fetched together.

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
    return Taken({path: info.file_size for path, info in wanted.items()})


def draw(names: Iterable[str], count: int | None, seed: int) -> list[str]:
    """Draw `count` files, as many of each folder as its share; all of them for None.

    Each folder's files stand in the order of a hash of seed and name; the k-th of N files has
    the rank (k - 1/2) / N (Webster's rule), the first of a folder comes before all. The lowest
    ranks are drawn, so that fewer are always among more.
    """
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    ranked = [
        ((k - 0.5) / len(found) if k > 1 else 0.0, _hash(seed, name), name)
        for found in folders.values()
        for k, name in enumerate(sorted(found, key=lambda name: _hash(seed, name)), 1)
    ]
    return sorted(name for _, _, name in sorted(ranked)[:count])


@contextmanager
def damage() -> Iterator[None]:
    """What the standard library says of damaged archives, as `Corrupt`."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Corrupt(f"damaged archive ({error})") from error
    except (NotImplementedError, UnicodeDecodeError) as error:
        raise Corrupt(f"an archive of an unknown kind ({error})") from error


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _is_there(path: Path, info: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC


def _ends(archive: zipfile.ZipFile) -> dict[int, int]:
    """Where each member ends, by where it begins: at the next one, or at the directory."""
    begins = sorted(info.header_offset for info in archive.infolist())
    return dict(zip(begins, [*begins[1:], archive.start_dir], strict=True))


def _neighbours(
    members: dict[str, zipfile.ZipInfo], ends: dict[int, int]
) -> Iterator[list[tuple[str, zipfile.ZipInfo]]]:
    """Members in the order they lie, those side by side together up to `WINDOW` bytes."""
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


def _copy(content: IO[bytes], target: Path, size: int, name: str) -> None:
    """Write `size` bytes and not one more, whole or not at all."""
    left = size
    with replacing(target) as temporary, temporary.open("wb") as file:
        while chunk := content.read(min(left, 1 << 20) or 1):
            left -= len(chunk)
            if left < 0:
                raise Corrupt(f"holds '{name}', which is longer than it says")
            file.write(chunk)
        if left:
            raise Corrupt(f"holds '{name}', of which {left} bytes are missing")


def _note(content: IO[bytes], name: str, size: int) -> bytes:
    if size > MOST_NOTE:
        raise Corrupt(f"holds '{name}' of {size} bytes, too long for a text")
    return content.read()


def _check_sound(path: Path, name: str) -> None:
    try:
        audio.check_flac(path)
    except PipelineError as error:
        path.unlink()
        raise Corrupt(f"'{name}': {str(error).partition(': ')[2]}") from error


def audio_names(names: Iterable[str]) -> list[str]:
    """Those of recordings of noise, `{tr,cv,tt}/<name>.wav`."""
    return [name for name in names if _is_noise(PurePosixPath(name))]


def _is_noise(path: PurePosixPath) -> bool:
    return (
        len(path.parts) == 2
        and path.parts[0] in ("tr", "cv", "tt")
        and path.suffix.lower() in (".wav", ".flac")
    )
