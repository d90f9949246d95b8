"""Remote files: fetched whole, read at any place, or read from their beginning."""

import hashlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline.base.errors import PipelineError
from pipeline.fetch.mirrors import Patience
from pipeline.fetch.transfer import NoRanges, Source

T = TypeVar("T")
BLOCK = 1 << 23  # bytes of one request if reading may stop early
TAIL = 1 << 16  # bytes around a place whose extent is unknown
MOST_JSON = 1 << 26  # bytes of a listing; a longer answer is not one


class Corrupt(Exception):
    """Received data that does not match its checksum, its archive or its sound."""


def from_mirrors(
    name: str,
    addresses: list[str],
    attempt: Callable[[list[str]], T],
    discard: Callable[[], None] = lambda: None,
) -> T:
    """Run `attempt` with all addresses; if the result is corrupt, with each address alone.

    Several mirrors may each have sent a part, so that the faulty one is unknown; and a single one
    gets a second chance, since a cache on the way may be faulty. `discard` removes the data of an
    attempt, so that it is not joined with that of the next one.

    Raises:
        PipelineError: names the cause of every mirror.
    """
    try:
        return attempt(addresses)
    except Corrupt as error:
        logging.warning("%s: %s; fetched again, one mirror at a time", name, error)
    causes = []
    for address in addresses:
        discard()
        try:
            return attempt([address])
        except Corrupt as error:
            discard()
            causes.append(f"{address}: {error}")
        except PipelineError as error:
            causes.append(str(error))
    raise PipelineError(
        f"{name}: no mirror serves it whole and right ({'; '.join(causes)});"
        " add another with corpora.download.catalogue"
    )


def fetch(
    name: str,
    addresses: list[str],
    target: Path,
    size: int | None = None,
    checksum: str | None = None,
    patience: Patience | None = None,
) -> None:
    """Fetch a file into `target`, and continue from the content of `target.part`.

    The file is renamed to `target` only with the right size and checksum, if these are known.

    Raises:
        PipelineError: no mirror serves the file correctly; names each with its cause.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)

    def attempt(some: list[str]) -> None:
        source = Source(name, some, size, patience or Patience())
        _append(source, part)
        check_file(part, source.size, checksum)
        part.replace(target)

    from_mirrors(name, addresses, attempt, lambda: part.unlink(missing_ok=True))


def fetch_json(name: str, addresses: list[str], patience: Patience | None = None) -> Any:
    """Fetch and parse a small JSON document.

    Raises:
        PipelineError: no mirror serves it.
    """

    def attempt(some: list[str]) -> Any:
        text = b""
        for chunk in Source(name, some, None, patience or Patience()).chunks():
            text += chunk
            if len(text) > MOST_JSON:
                raise Corrupt("is no listing, it does not end")
        try:
            return json.loads(text)
        except ValueError as error:
            raise Corrupt("is not JSON") from error

    return from_mirrors(name, addresses, attempt)


def check_file(path: Path, size: int | None, checksum: str | None) -> None:
    """Compare a file with its size in bytes and its checksum, if these are known.

    Raises:
        Corrupt: they differ.
    """
    held = path.stat().st_size
    if size is not None and held != size:
        raise Corrupt(f"has {held} bytes where {size} are expected")
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":  # the hash of a blob includes its size
        digest.update(f"blob {held}\0".encode())
    with path.open("rb") as file, _progress(f"checking {path.stem}", held) as bar:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        raise Corrupt(f"has the {kind} {digest.hexdigest()} where {expected} is expected")


def in_words(amount: float) -> str:
    """Return a number of bytes in usual units: `340 MB`, `6.4 GB`.

    >>> in_words(340e6), in_words(6.4e9)
    ('340 MB', '6.4 GB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.1f} {unit}" if amount < 10 and unit != "bytes" else f"{amount:.0f} {unit}"


class RangeFile(io.RawIOBase):
    """A remote file with random access, as `zipfile` needs it; one window of it is in memory."""

    def __init__(self, source: Source) -> None:
        self.source, self.place = source, 0
        self.window, self.begin = b"", 0
        if source.size is None:
            source.read(0, 1)  # any answer contains the size
        if source.size is None:
            raise NoRanges(source.name)
        self.size: int = source.size
        self.prefetch(max(self.size - TAIL, 0), self.size)

    def prefetch(self, start: int, end: int) -> None:
        """Read bytes `start` to `end` into memory with one request."""
        end = min(end, self.size)
        self.window, self.begin = self.source.read(start, end), start

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte to read."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next byte to read; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        self.place = max(base + offset, 0)
        return self.place

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes; fewer only at the end of the file."""
        end = self.size if size is None or size < 0 else min(self.place + size, self.size)
        if end <= self.place:
            return b""
        if not self.begin <= self.place < end <= self.begin + len(self.window):
            self.prefetch(self.place, max(end, self.place + TAIL))
        data = self.window[self.place - self.begin : end - self.begin]
        self.place += len(data)
        return data


class GrowingFile(io.RawIOBase):
    """A remote file read from its beginning; parts on disk are not fetched again.

    Args:
        source: the file.
        path: holds its first bytes; further ones are appended.
    """

    def __init__(self, source: Source, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.source, self.file = source, path.open("a+b")
        if source.size is not None and self.file.tell() > source.size:
            self.file.truncate(0)
        self.held, self.place = self.file.seek(0, io.SEEK_END), 0
        self.bar = _progress(source.name, source.size, self.held)

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes; fewer only at the end of the file."""
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


def _append(source: Source, part: Path) -> None:
    """Append the missing bytes to `part`; if it is longer than the file, it is begun again."""
    held = part.stat().st_size if part.exists() else 0
    if source.size is not None and held > source.size:
        part.unlink()
        held = 0
    if held:
        logging.info("%s: goes on from %s", source.name, in_words(held))
    with part.open("ab") as file, _progress(source.name, source.size, held) as bar:
        for chunk in source.chunks(held):
            file.write(chunk)
            bar.total = source.size
            bar.update(len(chunk))


def _progress(name: str, total: int | None, initial: int = 0) -> tqdm:
    """A bar with rate and remaining time, hidden without a terminal."""
    return tqdm(desc=name, total=total, initial=initial, unit="B", unit_scale=True, disable=None)
