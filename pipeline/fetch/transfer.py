"""Robust transfers over HTTP: byte ranges, several mirrors, pauses between requests."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import requests
import urllib3

from pipeline.fetch.mirrors import Failed, Mirror, Mirrors, Patience, Refused

CHUNK = 1 << 16  # bytes read at once
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may soon be over
NUMBER = "[0-9]{1,18}"  # of bytes, in the header of an answer
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "denoise-then-separate"}


class NoRanges(Exception):
    """No server sends a range of the file, so it must be fetched from its beginning."""


class Source:
    """A file that several addresses serve.

    Args:
        name: its name in messages.
        addresses: of the file; the first one that serves is kept as long as it serves.
        size: bytes it must have; servers with another size are not read. None accepts the size that
            the first server gives.
        patience: the waiting times.
    """

    def __init__(
        self, name: str, addresses: list[str], size: int | None, patience: Patience
    ) -> None:
        self.name, self.size, self.patience = name, size, patience
        self.mirrors = Mirrors(name, addresses, patience)
        self.session = requests.Session()

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield bytes `start` to `end` (or the file's end), in order, each once.

        Raises:
            NoRanges: an `end` was given, and no mirror sends ranges.
            PipelineError: no mirror serves the file; names each with its cause.
        """
        place = start
        self.mirrors.begin()
        while not self.ended(place, end):
            mirror, before = self.mirrors.next(), place
            try:
                for chunk in self._attempt(mirror, place, end):
                    place += len(chunk)
                    yield chunk
                    self.mirrors.sent(mirror)  # after the reader, whose time is not the server's
            except Failed as failure:
                self.mirrors.failed(mirror, failure, came=place > before)

    def read(self, start: int, end: int) -> bytes:
        """Return bytes `start` to `end`."""
        return b"".join(self.chunks(start, end))

    def ended(self, place: int, end: int | None = None) -> bool:
        """Return whether nothing follows `place` before `end`, if the size is known."""
        end = self.size if end is None or (self.size is not None and end > self.size) else end
        return end is not None and place >= end

    def _attempt(self, mirror: Mirror, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes of one request for `start` to `end`; it may fail before their end."""
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
                    place += len(chunk)
                    yield chunk
            if stop is None:
                self.size = place  # a server that gives no size: the end of the answer counts
            elif place < stop:
                raise Failed(f"ended {stop - place} bytes early")

    def _get(self, address: str, wanted: str) -> requests.Response:
        timeout = self.patience.connect, self.patience.timeout
        headers = HEADERS | {"Range": wanted}
        return self.session.get(address, headers=headers, stream=True, timeout=timeout)

    def _check(
        self, mirror: Mirror, response: requests.Response, start: int, end: int | None
    ) -> int:
        """Refuse an answer before its body is read; return the number of its bytes to skip."""
        status = response.status_code
        if status in PASSING:
            raise Failed(f"{status} {response.reason}", _retry_after(response))
        if status == 206:
            return self._check_part(response, start)
        if status == 416:
            return self._check_end(response, start)
        if status != 200:
            raise Refused(f"{status} {response.reason}")
        return self._check_whole(mirror, response, start, end)

    def _check_part(self, response: requests.Response, start: int) -> int:
        first, total = _content_range(response)
        if first != start:
            raise Refused(f"sends byte {first} where {start} is asked for")
        self._check_size(total)
        return 0

    def _check_end(self, response: requests.Response, start: int) -> int:
        """Nothing follows `start`: the file is complete, or the present part is too long."""
        size = _size_told(response)
        self._check_size(size)
        if start < size:
            raise Refused(f"{response.status_code} {response.reason}")
        return 0

    def _check_whole(
        self, mirror: Mirror, response: requests.Response, start: int, end: int | None
    ) -> int:
        length = response.headers.get("Content-Length", "")
        self._check_size(int(length) if re.fullmatch(NUMBER, length) else None)
        partly = end is not None and (start > 0 or end < (self.size or end))
        if start > 0 or partly or response.headers.get("Accept-Ranges") != "bytes":
            mirror.whole_only = True
        if start > 0 or partly:
            if any(not m.whole_only for m in self.mirrors.left()):
                raise Failed("does not send parts")
            if partly:
                raise NoRanges(self.name)
        return start

    def _check_size(self, total: int | None) -> None:
        if total is None:
            return
        if self.size is None:
            self.size = total
        if total != self.size:
            raise Refused(f"has {total} bytes where {self.size} are expected")


@contextmanager
def _failing() -> Iterator[None]:
    """Turn failures of the network into `Failed`, after which the mirror is tried again."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise Failed("silent for too long") from error
    except requests.exceptions.InvalidURL as error:
        raise Refused("is no address") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Failed(_reason(error)) from error


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
    """Seconds of pause that the server asks for, as a number or a date."""
    value = response.headers.get("Retry-After", "0")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", value):
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return 0.0


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """First byte and size of the whole file, from `Content-Range: bytes 5-9/20`."""
    value = response.headers.get("Content-Range", "")
    found = re.fullmatch(rf"bytes ({NUMBER})-{NUMBER}/({NUMBER}|\*)", value)
    if not found:
        raise Refused(f"answers with the range '{value}'")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _size_told(response: requests.Response) -> int:
    """Size of the whole file, from `Content-Range: bytes */20` of a refusal."""
    found = re.fullmatch(rf"bytes \*/({NUMBER})", response.headers.get("Content-Range", ""))
    if not found:
        raise Refused(f"{response.status_code} {response.reason}")
    return int(found[1])
