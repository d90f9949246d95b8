"""A web server on this machine that serves files whole, in parts or with faults, and its client."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from pipeline.fetch.mirrors import Patience

CHUNK = 1 << 14


@dataclass
class Manners:
    """The answer to one request; the default is a correct answer.

    Args:
        drop: bytes of the body after which the connection is cut.
        status: the status of an error as the answer.
        retry_after: a header of that error.
        whole: ignore Range.
        body: other bytes in place of the file.
        stall: bytes of the body after which nothing more comes, until the client gives up.
        slow: seconds before each chunk.
        chunked: no Content-Length.
        shift: begin this many bytes after the requested byte.
        length: another Content-Length.
    """

    drop: int | None = None
    status: int | None = None
    retry_after: str | None = None
    whole: bool = False
    body: bytes | None = None
    stall: int | None = None
    slow: float = 0.0
    chunked: bool = False
    shift: int = 0
    length: str | None = None


GOOD = Manners()


@dataclass
class Loopback:
    """Files by path, behaviour by path and number of the request, and the bytes sent."""

    files: dict[str, bytes] = field(default_factory=dict)
    manners: Callable[[str, int], Manners] = lambda path, number: GOOD
    sent: Counter = field(default_factory=Counter)  # bytes of bodies, by path
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and Range of requests
    headers: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"loopback": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.closing = threading.Event()
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def requests(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)

    def forget(self) -> None:
        """Reset the counts to zero."""
        self.sent.clear()
        self.asked.clear()

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that close the connection are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise every answer waits for the client's acknowledgement
    loopback: ClassVar[Loopback]

    def do_GET(self) -> None:
        served, path = self.loopback, self.path
        number = served.requests(path)
        served.asked.append((path, self.headers.get("Range", "")))
        served.headers.append(dict(self.headers))
        manners = served.manners(path, number)
        content = served.files.get(path) if manners.body is None else manners.body
        if manners.status or content is None:
            return self.refuse(manners.status or 404, manners.retry_after)
        begin, end, partial = self.extent(len(content), manners)
        if begin >= len(content) > 0 and partial:
            return self.refuse(416, None, len(content))
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        if not manners.chunked:
            self.send_header("Content-Length", manners.length or str(end - begin))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.send(content[begin:end], manners)

    def extent(self, size: int, manners: Manners) -> tuple[int, int, bool]:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked or manners.whole:
            return 0, size, False
        first, _, last = asked.partition("-")
        return int(first) + manners.shift, min(int(last) + 1 if last else size, size), True

    def refuse(self, status: int, retry_after: str | None, size: int | None = None) -> None:
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        if size is not None:
            self.send_header("Content-Range", f"bytes */{size}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, body: bytes, manners: Manners) -> None:
        limits = [n for n in (manners.drop, manners.stall) if n is not None]
        stop = min([len(body), *limits])
        with suppress(OSError):
            for place in range(0, stop, CHUNK):
                if manners.slow:
                    time.sleep(manners.slow)
                chunk = body[place : min(place + CHUNK, stop)]
                self.loopback.sent[self.path] += len(chunk)  # before the client has received it
                self.wfile.write(chunk)
            self.wfile.flush()
            if manners.stall is not None and stop < len(body):
                self.loopback.closing.wait(10)
        if stop < len(body) or manners.chunked or manners.length:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A web server without files."""
    loopback = Loopback()
    yield loopback
    loopback.close()


@pytest.fixture
def patience() -> Patience:
    """Enough for a test."""
    return Patience(connect=0.5, timeout=0.5, pause=0.001, longest=0.2, start=0.6, silence=2)
