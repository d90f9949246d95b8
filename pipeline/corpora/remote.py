"""Remote files that are read as if they were here: anywhere in them, or from their beginning."""

import io
from pathlib import Path

from pipeline.corpora.transfer import NoRanges, Source, progress

BLOCK = 1 << 23  # bytes of one request where reading may stop early
TAIL = 1 << 16  # bytes around a place of which the extent is not known


class RangeFile(io.RawIOBase):
    """A remote file to read anywhere in, as `zipfile` does; one window of it is in memory."""

    def __init__(self, source: Source) -> None:
        self.source, self.place = source, 0
        self.window, self.begin = b"", 0
        if source.size is None:
            source.read(0, 1)  # any answer tells the size
        if source.size is None:
            raise NoRanges(source.name)
        self.size: int = source.size
        self.prefetch(max(self.size - TAIL, 0), self.size)

    def prefetch(self, start: int, end: int) -> None:
        """Bring bytes `start` to `end` into memory with one request."""
        end = min(end, self.size)
        self.window, self.begin = self.source.read(start, end), start

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set where the next byte is read; fetches nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        self.place = max(base + offset, 0)
        return self.place

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes; fewer only at the end of the file."""
        end = self.size if size is None or size < 0 else min(self.place + size, self.size)
        if end <= self.place:
            return b""
        if not self.begin <= self.place < end <= self.begin + len(self.window):
            self.prefetch(self.place, max(end, self.place + TAIL))
        data = self.window[self.place - self.begin : end - self.begin]
        self.place += len(data)
        return data


class GrowingFile(io.RawIOBase):
    """A remote file read from its beginning; what was read stands on disk and is not asked again.

    Args:
        source: the file.
        path: where its first bytes stand; they are appended to.
    """

    def __init__(self, source: Source, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.source, self.file = source, path.open("a+b")
        if source.size is not None and self.file.tell() > source.size:
            self.file.truncate(0)
        self.held, self.place = self.file.seek(0, io.SEEK_END), 0
        self.bar = progress(source.name, source.size, self.held)

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes; fewer only at the end of the file."""
        wanted = None if size is None or size < 0 else self.place + size
        while (wanted is None or self.held < wanted) and not self.source.ended(self.held):
            self._grow()
        self.file.seek(self.place)
        data = self.file.read(-1 if size is None else size)
        self.place += len(data)
        return data

    def _grow(self) -> None:
        for chunk in self.source.chunks(self.held, self.held + BLOCK):
            self.file.write(chunk)
            self.held += len(chunk)
            self.bar.update(len(chunk))
        self.bar.total = self.source.size
        self.file.flush()

    def close(self) -> None:
        """Close the file on disk."""
        self.bar.close()
        self.file.close()
        super().close()
