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

from pipeline.corpora import remote
from pipeline.corpora.remote import GrowingFile, RangeFile
from pipeline.corpora.transfer import (
    NoRanges,
    Patience,
    Source,
    check_file,
    fetch,
    fetch_json,
    in_words,
)
from pipeline.errors import PipelineError

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
    """`got(*paths)`: fetch from these addresses in turn; what has arrived."""

    def run(*paths, size=SIZE, checksum=SHA, patience=patience) -> bytes:
        target = tmp_path / "file"
        fetch("it", [web.url(path) for path in paths or ("/a",)], target, size, checksum, patience)
        assert not (tmp_path / "file.part").exists()
        return target.read_bytes()

    return run


def refused(got, *paths, **values) -> str:
    with pytest.raises(PipelineError) as error:
        got(*paths, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


def first(**values):
    """Bad manners at the first request of every path, good ones later."""
    return lambda path, number: Manners(**values) if number == 0 else Manners()


def always(bad, **values):
    """Bad manners of one path."""
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
def test_a_cut_connection_goes_on_from_its_last_byte(web, got, drop):
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
def test_a_server_in_trouble_is_asked_again(web, got, status):
    web.manners = first(status=status)
    assert got() == CONTENT
    assert len(web.asked) == 2


@pytest.mark.parametrize("as_date", [False, True])
def test_a_server_says_when_to_come_back(web, got, as_date, patience):
    wait = formatdate(time.time() + 2, usegmt=True) if as_date else "0.3"
    web.manners = first(status=503, retry_after=wait)
    began = time.monotonic()
    assert got(patience=Patience(timeout=1, pause=0.001, longest=5, tries=2)) == CONTENT
    assert 0.3 <= time.monotonic() - began < 3
    assert len(web.asked) == 2


def test_a_stalled_server_is_left_and_gone_on_from(web, got):
    web.manners = first(stall=300_000)
    assert got() == CONTENT
    assert overhead(web)


def test_mirrors_take_turns_where_one_fails(web, got):
    web.manners = always("/a", status=503)
    assert got("/a", "/b") == CONTENT
    assert web.requests("/b") == 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_mirror_without_the_file_is_not_asked_again(web, got, status):
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
    """Where it is all there is, what is here already is skipped, not appended."""
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


def test_a_wrong_beginning_is_given_up(web, got, tmp_path):
    (tmp_path / "file.part").write_bytes(b"wrong" * 10)
    assert got() == CONTENT


def test_a_beginning_longer_than_the_file_is_given_up(web, got, tmp_path):
    for size in (None, len(CONTENT)):
        (tmp_path / "file.part").write_bytes(CONTENT + b"more")
        assert got(size=size) == CONTENT


def test_what_has_all_arrived_is_not_asked_for(web, got, tmp_path):
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
    assert web.requests("/b") == 3


def test_a_server_that_is_not_there_is_named(web, tmp_path, patience):
    address = "http://127.0.0.1:1/a"
    with pytest.raises(PipelineError, match=f"{address}: Connection refused"):
        fetch("it", [address], tmp_path / "file", None, None, patience)
    fetch("it", [address, web.url("/a")], tmp_path / "file", None, SHA, patience)


def test_a_killed_fetch_goes_on_where_it_was(web, got, tmp_path):
    web.manners = first(slow=0.01)
    program = (
        "import sys; from pathlib import Path; from pipeline.corpora.transfer import fetch;"
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


def test_git_hashes_a_blob_with_its_size(tmp_path):
    """`echo hello | git hash-object --stdin`"""
    (tmp_path / "a").write_text("hello\n")
    check_file(tmp_path / "a", 6, "git:ce013625030ba8dba906f756967f9e9ca394464a")


def test_a_listing_is_read(web, patience):
    web.files["/list"] = b'{"tree": []}'
    web.files["/page"] = b"<html>"
    assert fetch_json("it", [web.url("/list")], patience) == {"tree": []}
    assert fetch_json("it", [web.url("/page"), web.url("/list")], patience) == {"tree": []}
    with pytest.raises(PipelineError, match="is not JSON"):
        fetch_json("it", [web.url("/page")], patience)


def test_a_remote_file_is_read_anywhere(web, patience):
    with RangeFile(Source("it", [web.url("/a")], None, patience)) as file:
        rng = random.Random(0)
        for _ in range(50):
            begin, size = rng.randrange(len(CONTENT)), rng.randrange(30_000)
            file.seek(begin)
            assert file.read(size) == CONTENT[begin : begin + size]
        assert file.seek(-5, os.SEEK_END) == len(CONTENT) - 5
        assert file.read() == CONTENT[-5:] and file.read(1) == b""


def test_a_window_costs_one_request(web, patience):
    with RangeFile(Source("it", [web.url("/a")], len(CONTENT), patience)) as file:
        web.forget()
        file.prefetch(1000, 61_000)
        file.seek(1000)
        assert b"".join(file.read(977) for _ in range(61)) == CONTENT[1000:60_597]
        assert web.asked == [("/a", "bytes=1000-60999")]


def test_reading_anywhere_survives_cuts(web, patience):
    rng = random.Random(1)
    web.manners = lambda path, number: Manners(drop=rng.randrange(30_000))
    with RangeFile(Source("it", [web.url("/a"), web.url("/b")], None, patience)) as file:
        file.prefetch(1000, 500_000)
        file.seek(1000)
        assert file.read(499_000) == CONTENT[1000:500_000]


def test_reading_anywhere_needs_ranges(web, patience):
    web.manners = lambda path, number: Manners(whole=True)
    with pytest.raises(NoRanges):
        RangeFile(Source("it", [web.url("/a")], len(CONTENT), patience))
    assert len(web.asked) == 1


def test_a_growing_file_fetches_what_is_read_and_nothing_twice(
    web, tmp_path, patience, monkeypatch
):
    monkeypatch.setattr(remote, "BLOCK", 50_000)

    def growing():
        source = Source("it", [web.url("/a")], None, patience)
        return GrowingFile(source, tmp_path / "file.part")

    with growing() as file:
        assert file.read(120_000) == CONTENT[:120_000]
    assert web.sent.total() == 150_000
    with growing() as file:
        assert file.read(160_000) == CONTENT[:160_000]
        assert file.read() == CONTENT[160_000:]
        assert file.read(1) == b""
    assert overhead(web)


@pytest.mark.parametrize(
    "amount, words", [(5, "5 bytes"), (1500, "1.5 kB"), (3.4e8, "340 MB"), (6.39e9, "6.4 GB")]
)
def test_amounts_in_words(amount, words):
    assert in_words(amount) == words
