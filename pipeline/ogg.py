"""Ogg streams of the same sound as the same bytes (RFC 3533)."""

import zlib
from collections.abc import Iterator

MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def with_serial(stream: bytes, serial: int) -> bytes:
    """A stream with all its pages under one serial number, where encoders put a random one."""
    return b"".join(_renumbered(page, serial) for page in _pages(stream))


def _pages(stream: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(stream):
        lacing = stream[start + 26]  # how many bytes of the header tell the segments' sizes
        end = start + 27 + lacing + sum(stream[start + 27 : start + 27 + lacing])
        yield stream[start:end]
        start = end


def _renumbered(page: bytes, serial: int) -> bytes:
    # The checksum is that of the page with zeros in the checksum's place.
    head = page[:14] + serial.to_bytes(4, "little") + page[18:22]
    rest = page[26:]
    return head + checksum(head + bytes(4) + rest).to_bytes(4, "little") + rest


def checksum(page: bytes) -> int:
    """Ogg's CRC-32: zlib's polynomial, but bits from the highest, from zero and not inverted."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
