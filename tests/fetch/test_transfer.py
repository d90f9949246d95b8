import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from email.utils import formatdate

import numpy as np
import pytest
from loopback import Manners
from served import refused

from pipeline.base.errors import PipelineError
from pipeline.fetch.mirrors import Patience
from pipeline.fetch.remote import fetch

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SIZE = len(CONTENT)
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def web(server):
    """A server with one file of a megabyte, at two addresses."""
    server.files |= {"/a": CONTENT, "/b": CONTENT}
    return server


@pytest.fixture
def got(web, tmp_path, patience):
    """`got(*paths)` fetches from these addresses in turn, and returns the received bytes."""

    def run(*paths, size=SIZE, checksum=SHA, patience=patience) -> bytes:
        target = tmp_path / "file"
        fetch("it", [web.url(path) for path in paths or ("/a",)], target, size, checksum, patience)
        assert not (tmp_path / "file.part").exists()
        return target.read_bytes()

    return run


def first(**values):
    """Faulty behaviour at the first request of every path, correct behaviour later."""
    return lambda path, number: Manners(**values) if number == 0 else Manners()


def always(bad, **values):
    """Faulty behaviour of one path."""
    return lambda path, number: Manners(**values) if path == bad else Manners()


def overhead(web, most=0) -> bool:
    return len(CONTENT) <= web.sent.total() <= len(CONTENT) + most


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("checksum", [None, SHA, "md5:" + hashlib.md5(CONTENT).hexdigest()])
def test_a_file_arrives_with_one_request(web, got, size, checksum):
    assert got(size=size, checksum=checksum) == CONTENT
    assert len(web.asked) == 1 and overhead(web)
    assert web.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("drop", [0, 1, 1000, 999_999])
def test_a_cut_connection_continues_from_its_last_byte(web, got, drop):
    web.manners = first(drop=drop)
    assert got() == CONTENT
    assert web.asked == [("/a", "bytes=0-"), ("/a", f"bytes={drop}-")]
    assert overhead(web)


@pytest.mark.parametrize("seed", range(4))
def test_any_number_of_cuts_costs_no_byte_twice(web, got, seed):
    rng = random.Random(seed)
    web.manners = lambda path, number: Manners(drop=int(rng.expovariate(1 / 40_000)))
    assert got("/a", "/b") == CONTENT
    assert len(web.asked) > 10 and overhead(web)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_tried_again(web, got, status):
    web.manners = first(status=status)
    assert got() == CONTENT
    assert len(web.asked) == 2


@pytest.mark.parametrize("as_date", [False, True])
def test_a_server_says_when_to_come_back(web, got, as_date, patience):
    wait = formatdate(time.time() + 1.4, usegmt=True) if as_date else "0.3"
    web.manners = first(status=503, retry_after=wait)
    began = time.monotonic()
    assert got(patience=Patience(timeout=1, pause=0.001, start=0.1, silence=5)) == CONTENT
    assert 0.3 <= time.monotonic() - began < 3
    assert len(web.asked) == 2


@pytest.mark.parametrize("wait", ["inf", "nan", "-5", "1e999", "9" * 5000, "soon", ""])
def test_an_invalid_wait_is_ignored(web, got, wait):
    web.manners = first(status=503, retry_after=wait)
    assert got() == CONTENT and len(web.asked) == 2


@pytest.mark.parametrize("length", ["\u00b2", "-5", "9" * 5000])
def test_an_invalid_length_is_ignored(web, got, length):
    web.manners = lambda path, number: Manners(whole=True, length=length)
    assert got(size=None) == CONTENT


def test_a_stalled_server_is_left_and_gone_on_from(web, got):
    web.manners = first(stall=300_000)
    assert got() == CONTENT
    assert overhead(web)


def test_mirrors_take_turns_where_one_fails(web, got):
    web.manners = always("/a", status=503)
    assert got("/a", "/b") == CONTENT
    assert web.requests("/b") == 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_mirror_without_the_file_is_not_tried_again(web, got, status):
    web.manners = always("/a", status=status)
    assert got("/a", "/b") == CONTENT
    assert web.requests("/a") == 1


def test_a_server_that_ignores_ranges_serves_whole_files(web, got):
    web.manners = lambda path, number: Manners(whole=True)
    assert got() == CONTENT
    assert overhead(web)


def test_a_server_that_ignores_ranges_is_passed_over_for_the_rest(web, got):
    web.manners = lambda path, number: Manners(whole=path == "/a", drop=[600_000, None][number > 0])
    assert got("/a", "/b") == CONTENT
    assert overhead(web)


def test_a_server_that_ignores_ranges_is_never_joined_wrongly(web, got):
    """If it is the only mirror, the bytes that exist already are skipped, not appended."""
    web.manners = lambda path, number: Manners(whole=True, drop=600_000 if number == 0 else None)
    assert got(checksum=None) == CONTENT
    assert web.sent.total() == 1_600_000


def test_a_server_that_ignores_ranges_and_breaks_off_is_given_up(web, got):
    web.manners = lambda path, number: Manners(whole=True, drop=600_000)
    assert "cannot be fetched" in refused(got)
    web.manners = lambda path, number: Manners(
        whole=path == "/a", drop=600_000 if number == 0 else None
    )
    assert got("/a", "/b") == CONTENT


def test_a_range_from_elsewhere_is_never_joined(web, got):
    web.manners = lambda path, number: Manners(drop=10) if number == 0 else Manners(shift=5)
    assert "sends byte 15 where 10 is asked for" in refused(got)


def test_a_file_of_another_size_is_refused_before_its_body(web, got):
    web.files["/a"] = CONTENT[:-1]
    assert "has 999999 bytes where 1000000 are expected" in refused(got)
    assert got("/a", "/b") == CONTENT


def test_a_wrong_file_of_the_right_size_is_refused(web, got):
    web.files["/a"] = CONTENT[::-1]
    assert "no mirror serves it whole and right" in refused(got)
    assert got("/a", "/b") == CONTENT


def test_bytes_of_a_wrong_mirror_are_not_joined_with_those_of_a_right_one(web, got):
    web.files["/a"] = CONTENT[::-1]
    web.manners = lambda path, number: Manners(
        drop=600_000 if path == "/a" and number in (0, 2) else None,
        status=404 if path == "/a" and number not in (0, 2) else None,
    )
    assert got("/a", "/b") == CONTENT


def test_a_wrong_beginning_is_given_up(web, got, tmp_path):
    (tmp_path / "file.part").write_bytes(b"wrong" * 10)
    assert got() == CONTENT


def test_a_beginning_longer_than_the_file_is_given_up(web, got, tmp_path):
    for size in (None, len(CONTENT)):
        (tmp_path / "file.part").write_bytes(CONTENT + b"more")
        assert got(size=size) == CONTENT


def test_a_complete_file_is_not_requested(web, got, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert got() == CONTENT and not web.asked
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert got(size=None) == CONTENT and not web.sent.total()


def test_a_file_of_unknown_size_ends_with_its_body(web, got):
    web.manners = lambda path, number: Manners(chunked=True, whole=True)
    assert got(size=None) == CONTENT


def test_every_mirror_is_named_with_its_cause(web, got):
    web.manners = lambda path, number: Manners(status={"/a": 404, "/b": 503}[path])
    message = refused(got, "/a", "/b")
    assert message.startswith(f"it: cannot be fetched ({web.url('/a')}: 404 Not Found; ")
    assert f"{web.url('/b')}: 503 Service Unavailable)" in message
    assert "add a mirror with corpora.download.catalogue" in message
    assert web.requests("/a") == 1 and web.requests("/b") > 2


def test_a_server_that_is_not_there_is_named(web, tmp_path, patience):
    address = "http://127.0.0.1:1/a"
    with pytest.raises(PipelineError, match=f"{address}: Connection refused"):
        fetch("it", [address], tmp_path / "file", None, None, patience)
    fetch("it", [address, web.url("/a")], tmp_path / "file", None, SHA, patience)


def test_a_killed_fetch_continues_where_it_was(web, got, tmp_path):
    web.manners = first(slow=0.01)
    program = (
        "import sys; from pathlib import Path; from pipeline.fetch.remote import fetch;"
        "fetch('it', [sys.argv[1]], Path(sys.argv[2]), 1000000, None)"
    )
    arguments = [sys.executable, "-c", program, web.url("/a"), str(tmp_path / "file")]
    killed = subprocess.Popen(arguments)
    while web.sent.total() < 200_000:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    held = (tmp_path / "file.part").stat().st_size
    assert 0 < held < len(CONTENT) and not (tmp_path / "file").exists()
    time.sleep(0.05)
    web.forget()
    assert got() == CONTENT
    assert web.asked == [("/a", f"bytes={held}-")]
    assert web.sent.total() == len(CONTENT) - held
