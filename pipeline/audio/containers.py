"""Compare the amount of audio data that a file's header claims with what the file holds."""

import io
import os
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

# Lengths that programs write if they cannot go back and fill in the true one: SoX (AIFF, WAV),
# arecord, most others. A length may be rounded to whole samples, or exclude the header.
UNKNOWN_LENGTHS = (0x7F000000, 0x7FFFF000, 0x80000000, 0xFFFFFFFF)
TAKEN_OFF = 64  # bytes, more than either of these takes
NO_LENGTH = 1 << 62  # bytes; the same in containers with 64-bit lengths
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
SPHERE_FIELD = re.compile(rb"^(\w+) -\w+ (\S+)\s*$", re.MULTILINE)
NUMBER = re.compile(rb"\d{1,18}$")
SPHERE_HEAD = 1024  # bytes of the header in nearly all files; its second line gives the number
OGG_PAGE = 65307  # bytes, the largest possible page
OGG_HEAD = 27  # bytes of a page before the sizes of its segments
OGG_LAST = 4  # flag of the page that ends a stream


class Chunks(NamedTuple):
    """Layout of a container that is a sequence of chunks, each with a name, a size and a body."""

    first: int  # position of the first chunk
    head: str  # how name and size are packed
    sound: bytes  # name of the chunk with the audio data
    before: int = 0  # bytes of its body before the audio data
    counted: int = 0  # bytes of a chunk's head that its size includes
    aligned: int = 2  # bytes to which a chunk is padded


CHUNKS = {
    b"RIFF": Chunks(12, "<4sI", b"data"),
    b"RIFX": Chunks(12, ">4sI", b"data"),
    b"RF64": Chunks(12, "<4sI", b"data"),
    b"FORM": Chunks(12, ">4sI", b"SSND", before=8),
    b"caff": Chunks(8, ">4sq", b"data", before=4, aligned=1),
    b"riff": Chunks(40, "<16sQ", W64_DATA, counted=24, aligned=8),
}
AU_ORDERS = {b".snd": ">", b"dns.": "<"}


class Field(NamedTuple):
    """A number in a header: its position, how it is packed, its value."""

    place: int
    packed: str
    value: int


class Sound(NamedTuple):
    """The audio data of a file: the bytes that its header claims, in `field`, and those present."""

    claimed: int
    held: int
    field: Field | None = None


def find_sound(raw: int) -> Sound | None:
    """Find the audio data of a file whose container states its length; None for other files.

    Args:
        raw: descriptor of the open file; its position is left unchanged.
    """
    magic, end = os.pread(raw, 4, 0), os.fstat(raw).st_size
    if magic in CHUNKS:
        return _sound_in_chunks(raw, CHUNKS[magic], end)
    if magic in AU_ORDERS and len(head := os.pread(raw, 8, 4)) == 8:
        start, size = struct.unpack(f"{AU_ORDERS[magic]}II", head)
        return Sound(size, end - start, Field(8, f"{AU_ORDERS[magic]}I", size))
    return _sound_in_sphere(raw, end) if magic == b"NIST" else None


def missing_end(raw: int, sound: Sound | None) -> str | None:
    """Describe in words the missing part of a truncated file; None if no part is known to miss.

    Args:
        raw: as for `find_sound`.
        sound: the result of `find_sound`.
    """
    if sound is None:
        return _missing_page(raw) if os.pread(raw, 4, 0) == b"OggS" else None
    if sound.held >= sound.claimed or _is_unknown(sound.claimed):
        return None
    return f"{sound.held} of {sound.claimed} bytes of sound are there"


def repaired(path: Path | str, sound: Sound | None) -> io.FileIO | None:
    """Open the file with its true length in the header, where libsndfile needs it.

    This is the case where the header says 0 although samples follow, or where a 64-bit header says
    that the length is unknown.
    Returns:
        A file to close after use, or None where the header can be read as it is.
    """
    if sound is None or sound.field is None:
        return None
    if sound.held <= 0 or 0 < sound.claimed < NO_LENGTH:
        return None
    place, packed, value = sound.field
    most = 2 ** (8 * struct.calcsize(packed)) - 1
    true = min(value - sound.claimed + sound.held, most)
    return _Repaired(path, place, struct.pack(packed, true))


class _Repaired(io.FileIO):
    """A file of which `put` is read at `place`, whatever the disk holds there."""

    def __init__(self, path: Path | str, place: int, put: bytes) -> None:
        super().__init__(os.fspath(path))
        self.place, self.put = place, put

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the current position."""
        start = self.tell()
        count = super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        for place, byte in enumerate(self.put, self.place - start):
            if 0 <= place < count:
                view[place] = byte
        return count


def _is_unknown(size: int) -> bool:
    return size >= NO_LENGTH or any(0 <= most - size < TAKEN_OFF for most in UNKNOWN_LENGTHS)


def _sound_in_chunks(raw: int, layout: Chunks, end: int) -> Sound | None:
    place, length = layout.first, struct.calcsize(layout.head)
    long = None  # length of an RF64's audio data, which is in a chunk of its own
    while place < end and len(head := os.pread(raw, length, place)) == length:
        name, size = struct.unpack(layout.head, head)
        field = Field(place + len(name), layout.head[0] + layout.head[-1], size)
        place += length
        if name == b"ds64" and len(sizes := os.pread(raw, 8, place + 8)) == 8:
            long = Field(place + 8, "<Q", *struct.unpack("<Q", sizes))
        if name == layout.sound:
            if long and size == 0xFFFFFFFF:
                field = long
            start, claimed = place + layout.before, field.value - layout.counted - layout.before
            if claimed <= 0 and _ends_in_chunks(raw, layout, place, end):
                return None
            return Sound(claimed, end - start, field)
        if (size := size - layout.counted) < 0:
            return None
        place += -(-size // layout.aligned) * layout.aligned
    return None


def _ends_in_chunks(raw: int, layout: Chunks, place: int, end: int) -> bool:
    """Whether the file consists of chunks, and nothing else, from `place` to its end."""
    length = struct.calcsize(layout.head)
    while place < end and len(head := os.pread(raw, length, place)) == length:
        name, size = struct.unpack(layout.head, head)
        if not (name[:4].isascii() and name[:4].decode("ascii").isprintable()):
            return False
        body = max(size - layout.counted, 0)
        place += length + -(-body // layout.aligned) * layout.aligned
    return place == end


def _sound_in_sphere(raw: int, end: int) -> Sound | None:
    """Audio data of a NIST SPHERE file, whose header is text; a compressed one gives no size."""
    size = os.pread(raw, 16, 0)[8:].strip()
    length = int(size) if size.isdigit() else SPHERE_HEAD
    fields = dict(SPHERE_FIELD.findall(os.pread(raw, min(length, end), 0)))
    numbers = [fields.get(b"sample_count"), fields.get(b"sample_n_bytes", b"1")]
    numbers.append(fields.get(b"channel_count", b"1"))
    if b"," in fields.get(b"sample_coding", b"") or not all(n and NUMBER.match(n) for n in numbers):
        return None
    count, width, channels = (int(n or 0) for n in numbers)
    return Sound(count * width * channels, end - length) if count else None


def _missing_page(raw: int) -> str | None:
    """The missing end of an Ogg file, whose last page is marked as the last one."""
    size = os.fstat(raw).st_size
    tail = os.pread(raw, OGG_PAGE, max(0, size - OGG_PAGE))
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if not page.startswith(b"OggS"):
        return None
    whole = len(page) >= OGG_HEAD and OGG_HEAD + page[26] + sum(page[27 : 27 + page[26]])
    if whole and page[5] & OGG_LAST and len(page) >= whole:
        return None
    return f"its Ogg stream does not end within the {size} bytes that are there"
