"""Bytes over HTTP, whatever breaks: ranges, mirrors in turn, back-off."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import requests
import urllib3

from pipeline.errors import PipelineError

CHUNK = 1 << 16  # bytes read at once
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
    tries: int = 8


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
            for chunk in self._round(place, end):
                place += len(chunk)
                yield chunk
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

    def _round(self, start: int, end: int | None) -> Iterator[bytes]:
        """Ask the mirrors in turn, until one has sent something."""
        for mirror in self._in_turn():
            sent = False
            try:
                for chunk in self._attempt(mirror, start, end):
                    sent = True
                    yield chunk
                return
            except _Refused as refused:
                mirror.lost, mirror.cause = True, str(refused)
            except _Passing as passing:
                mirror.cause = str(passing)
                mirror.ready = time.monotonic() + min(passing.wait, self.patience.longest)
            if sent:
                return

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
        if status == 206:
            return self._check_part(response, start)
        if status == 416:
            return self._check_end(response, start)
        if status != 200:
            raise _Refused(f"{status} {response.reason}")
        return self._check_whole(mirror, response, start, end)

    def _check_part(self, response: requests.Response, start: int) -> int:
        first, total = _content_range(response)
        if first != start:
            raise _Refused(f"sends byte {first} where {start} is asked for")
        self._check_size(total)
        return 0

    def _check_end(self, response: requests.Response, start: int) -> int:
        """Nothing lies behind `start`: all is there already, or what is there is too long."""
        size = _size_told(response)
        self._check_size(size)
        if start < size:
            raise _Refused(f"{response.status_code} {response.reason}")
        return 0

    def _check_whole(
        self, mirror: _Mirror, response: requests.Response, start: int, end: int | None
    ) -> int:
        length = response.headers.get("Content-Length", "")
        self._check_size(int(length) if length.isdigit() else None)
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
