import os
import random

import numpy as np
import pytest
from loopback import Manners

from pipeline.base.errors import PipelineError
from pipeline.fetch import remote
from pipeline.fetch.remote import GrowingFile, RangeFile, check_file, fetch_json, in_words
from pipeline.fetch.transfer import NoRanges, Source

CONTENT = np.random.default_rng(0).bytes(1_000_000)


@pytest.fixture
def web(server):
    """A server with one file of a megabyte, at two addresses."""
    server.files |= {"/a": CONTENT, "/b": CONTENT}
    return server


def test_git_hashes_a_blob_with_its_size(tmp_path):
    """The result of `echo hello | git hash-object --stdin`."""
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


def test_a_growing_file_fetches_only_the_parts_read_and_nothing_twice(
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
    assert web.sent.total() == len(CONTENT)


@pytest.mark.parametrize(
    "amount, words", [(5, "5 bytes"), (1500, "1.5 kB"), (3.4e8, "340 MB"), (6.39e9, "6.4 GB")]
)
def test_amounts_in_words(amount, words):
    assert in_words(amount) == words
