"""Bytes over HTTP, whatever breaks: ranges, mirrors in turn, back-off, resumed files."""

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import requests
import urllib3
from tqdm import tqdm

from pipeline.errors import PipelineError

T = TypeVar("T")
CHUNK = 1 << 16  # bytes read at once
MOST_JSON = 1 << 26  # bytes of a listing; a longer one is no listing
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be over soon
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "denoise-then-separate"}


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try while nothing comes.

    `timeout` is the longest silence of a server; `pause` the first wait after all mirrors
    failed, doubled each time up to `longest`; `tries` the rounds over all mirrors without a
    single byte before giving up.
    """

    timeout: float = 30.0
    pause: float = 1.0
    longest: float = 300.0
    tries: int = 6


class Corrupt(Exception):
    """What came is not what its checksum, its archive or its sound says it is."""


class NoRanges(Exception):
    """No server of these sends a part of the file: it has to be fetched from its beginning."""


class _Passing(Exception):
    """A failure that may be over soon; `wait` seconds are asked for."""

    def __init__(self, cause: str, wait: float = 0.0) -> None:
        super().__init__(cause)
        self.wait = wait


class _Refused(Exception):
    """A mirror that will not serve this file."""


@dataclass
class _Mirror:
    address: str
    cause: str = "not asked"
    lost: bool = False  # will not serve this file
    whole_only: bool = False  # sends the file from its beginning, whatever is asked
    ready: float = 0.0  # time before which it asked to be left alone


@dataclass
class Source:
    """A file that several addresses serve.

    Args:
        name: what to call it in messages.
        addresses: where it lies; the first that serves is kept as long as it serves.
        size: bytes it must have; a server that says otherwise is not read. None takes what the
            first server says.
        patience: how long to wait for what does not come.
    """

    name: str
    addresses: list[str]
    size: int | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self.mirrors = [_Mirror(address) for address in self.addresses]
        self.session = requests.Session()

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `end` (or the file's end), in order, each once.

        Raises:
            NoRanges: an `end` was given, and no mirror sends parts.
            PipelineError: no mirror serves the file; names each with its cause.
        """
        place, failures = start, 0
        while not self.ended(place, end):
            before = place
            for mirror in self._in_turn():
                try:
                    for chunk in self._attempt(mirror, place, end):
                        place += len(chunk)
                        yield chunk
                    break
                except _Refused as refused:
                    mirror.lost, mirror.cause = True, str(refused)
                except _Passing as passing:
                    mirror.cause = str(passing)
                    mirror.ready = time.monotonic() + min(passing.wait, self.patience.longest)
                if place > before:
                    break
            failures = 0 if place > before else failures + 1
            if not self.ended(place, end):
                failures = self._wait(failures)

    def read(self, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, in memory."""
        return b"".join(self.chunks(start, end))

    def ended(self, place: int, end: int | None = None) -> bool:
        """Whether nothing comes after `place` before `end`, as far as the size is known."""
        end = self.size if end is None or (self.size is not None and end > self.size) else end
        return end is not None and place >= end

    def _in_turn(self) -> list[_Mirror]:
        """Mirrors to ask now: those that send parts first, the one that served last in front."""
        now = time.monotonic()
        asked = [m for m in self.mirrors if not m.lost and m.ready <= now]
        return sorted(asked, key=lambda m: (m.whole_only, m.cause != "serves"))

    def _wait(self, failures: int) -> int:
        """Back off before the next round; give up where nothing is left to try."""
        left = [m for m in self.mirrors if not m.lost]
        whole = [m for m in left if m.whole_only]
        if failures >= self.patience.tries and 0 < len(whole) < len(left):
            for mirror in left:  # rather all of it once more than nothing
                mirror.lost = not mirror.whole_only
            left, failures = whole, 0
        if not left or failures >= self.patience.tries:
            causes = "; ".join(f"{m.address}: {m.cause}" for m in self.mirrors)
            raise PipelineError(
                f"{self.name}: cannot be fetched ({causes}); check the network, or add a mirror"
                " with corpora.download.catalogue, and run again to go on from here"
            )
        pause = self.patience.pause * 2 ** max(failures - 1, 0)
        asked = min(m.ready for m in left) - time.monotonic()
        time.sleep(max(min(pause, self.patience.longest), asked))
        return failures

    def _attempt(self, mirror: _Mirror, start: int, end: int | None) -> Iterator[bytes]:
        """What one request brings of `start` to `end`; it may bring less before it fails."""
        wanted = f"bytes={start}-{'' if end is None else end - 1}"
        with _failing(), self._get(mirror.address, wanted) as response:
            skip = self._check(mirror, response, start, end)
            ends = [place for place in (end, self.size) if place is not None]
            place, stop = start, min(ends, default=None)
            while stop is None or place < stop:
                chunk = response.raw.read1(CHUNK, decode_content=False)
                if not chunk:
                    break
                skip, chunk = max(skip - len(chunk), 0), chunk[skip:]
                chunk = chunk if stop is None else chunk[: stop - place]
                if chunk:
                    place, mirror.cause = place + len(chunk), "serves"
                    yield chunk
            if stop is None:
                self.size = place  # a server that does not tell sizes: the end is the end
            elif place < stop:
                raise _Passing(f"ended {stop - place} bytes early")

    def _get(self, address: str, wanted: str) -> requests.Response:
        return self.session.get(
            address, headers=HEADERS | {"Range": wanted}, stream=True, timeout=self.patience.timeout
        )

    def _check(
        self, mirror: _Mirror, response: requests.Response, start: int, end: int | None
    ) -> int:
        """Refuse an answer before its body is read; return how many bytes of it to skip."""
        status = response.status_code
        if status in PASSING:
            raise _Passing(f"{status} {response.reason}", _retry_after(response))
        if status == 416:  # all of it is there already, or what is there is too long
            self._check_size(_size_told(response))
            if self.size is not None and start >= self.size:
                return 0
        if status == 206:
            first, total = _content_range(response)
            if first != start:
                raise _Refused(f"sends byte {first} where {start} is asked for")
            self._check_size(total)
            return 0
        if status != 200:
            raise _Refused(f"{status} {response.reason}")
        length = response.headers.get("Content-Length")
        self._check_size(int(length) if length and length.isdigit() else None)
        partly = end is not None and (start > 0 or end < (self.size or end))
        if start > 0 or partly or response.headers.get("Accept-Ranges") != "bytes":
            mirror.whole_only = True
        if start > 0 or partly:
            if any(not (m.lost or m.whole_only) for m in self.mirrors):
                raise _Passing("does not send parts")
            if partly:
                raise NoRanges(self.name)
        return start

    def _check_size(self, total: int | None) -> None:
        if total is None:
            return
        if self.size is None:
            self.size = total
        if total != self.size:
            raise _Refused(f"has {total} bytes where {self.size} are expected")


def from_mirrors(name: str, addresses: list[str], attempt: Callable[[list[str]], T]) -> T:
    """Run `attempt` with all addresses; as long as what comes is corrupt, with each alone.

    Several mirrors may each have sent a piece, so that none of them is to blame for sure; and a
    single one gets a second chance, since a cache between here and there may have been at fault.

    Raises:
        PipelineError: names the cause of every mirror.
    """
    try:
        return attempt(addresses)
    except Corrupt as error:
        logging.warning("%s: %s; fetched again, one mirror at a time", name, error)
    causes = []
    for address in addresses:
        try:
            return attempt([address])
        except Corrupt as error:
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
    """Fetch a file into `target`, going on from what `target.part` holds.

    Nothing is renamed to `target` before it has its size and, where one is known, its checksum.

    Raises:
        PipelineError: no mirror serves the file right; names each with its cause.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)

    def attempt(some: list[str]) -> None:
        source = Source(name, some, size, patience or Patience())
        _append(source, part)
        try:
            check_file(part, source.size, checksum)
        except Corrupt:
            part.unlink()
            raise
        part.replace(target)

    from_mirrors(name, addresses, attempt)


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
    """Compare a file with its size in bytes and its checksum, as far as they are known.

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
    if kind == "git":  # a blob is hashed with its size in front
        digest.update(f"blob {held}\0".encode())
    with path.open("rb") as file, progress(f"checking {path.stem}", held) as bar:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        raise Corrupt(f"has the {kind} {digest.hexdigest()} where {expected} is expected")


def _append(source: Source, part: Path) -> None:
    """Append to `part` what it lacks; one that is longer than the file is begun anew."""
    held = part.stat().st_size if part.exists() else 0
    if source.size is not None and held > source.size:
        part.unlink()
        held = 0
    if held:
        logging.info("%s: goes on from %s", source.name, in_words(held))
    with part.open("ab") as file, progress(source.name, source.size, held) as bar:
        for chunk in source.chunks(held):
            file.write(chunk)
            bar.total = source.size
            bar.update(len(chunk))


def in_words(amount: float) -> str:
    """Bytes as people say them: `340 MB`, `6.4 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.1f} {unit}" if amount < 10 and unit != "bytes" else f"{amount:.0f} {unit}"


def progress(name: str, total: int | None, initial: int = 0) -> tqdm:
    """A bar with rate and remaining time; none where nobody looks."""
    return tqdm(desc=name, total=total, initial=initial, unit="B", unit_scale=True, disable=None)


@contextmanager
def _failing() -> Iterator[None]:
    """Failures of the network as the one kind that is tried again."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _Passing("silent for too long") from error
    except requests.exceptions.InvalidURL as error:
        raise _Refused("is no address") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _Passing(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The innermost cause, in the words of the system."""
    words = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if "NameResolution" in words or "getaddrinfo" in words:
        return "name unknown"
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", words)
    return found.group(1) if found else "connection broken"


def _retry_after(response: requests.Response) -> float:
    """Seconds the server asks to be left alone: a number, or a date."""
    value = response.headers.get("Retry-After", "0")
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return 0.0


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """First byte and size of the whole file, from `Content-Range: bytes 5-9/20`."""
    value = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", value)
    if not found:
        raise _Refused(f"answers with the range '{value}'")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _size_told(response: requests.Response) -> int:
    """Size of the whole file, from `Content-Range: bytes */20` of a refusal."""
    found = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    if not found:
        raise _Refused(f"{response.status_code} {response.reason}")
    return int(found[1])
