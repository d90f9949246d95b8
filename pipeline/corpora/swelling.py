"""Limits for archives that would fill a disk or the memory when unpacked."""

import tarfile
from collections.abc import Callable
from typing import Any, Self

from pipeline.fetch.remote import Corrupt, in_words

MOST_SWELLING = 100  # an archive of audio may unpack to this many times its size
MOST_MEMBERS = 1_000_000  # files and folders
MOST_HEADER = 1 << 20  # bytes that describe one member of a tar: its name, and its holes


def check_members(number: int) -> None:
    """Refuse more members than a corpus has.

    Raises:
        Corrupt: there are more than `MOST_MEMBERS`.
    """
    if number > MOST_MEMBERS:
        raise Corrupt(f"holds more than {MOST_MEMBERS} members")


class Allowance:
    """The number of bytes that may be unpacked of a tar: `MOST_SWELLING` times its size.

    The bytes that are written count, and not the sizes that members claim: holes of sparse files
    and zeros take no space in the archive.

    Args:
        size: returns the bytes of the archive; of a stream, the bytes read so far.
        size: tells the bytes of the archive, those of a stream as far as it was read.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self.size, self.written = size, 0

    def take(self, amount: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            Corrupt: they are too many.
        """
        self.written += amount
        size = self.size()
        if self.written > MOST_SWELLING * size:
            raise Corrupt(f"unpacks to more than {MOST_SWELLING} times its {in_words(size)}")


class Member(tarfile.TarInfo):
    """A member of a tar of whose header at most `MOST_HEADER` bytes are read."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read the next member.

        Raises:
            Corrupt: its header is too long.
        """
        whole, tar.fileobj = tar.fileobj, _Limited(tar.fileobj)  # type: ignore[assignment]
        try:
            return super().fromtarfile(tar)
        finally:
            tar.fileobj = whole


class _Limited:
    """A file of which at most `MOST_HEADER` bytes are read."""

    def __init__(self, file: Any) -> None:
        self.file, self.left = file, MOST_HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise Corrupt(f"holds a member with a header of more than {in_words(MOST_HEADER)}")
        content: bytes = self.file.read(size)
        return content

    def tell(self) -> int:
        place: int = self.file.tell()
        return place
