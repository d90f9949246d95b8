"""Messages about failing mirrors, and when they are given up."""

import logging
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
from loopback import Manners

from pipeline.base.errors import PipelineError
from pipeline.fetch import mirrors
from pipeline.fetch.mirrors import Failed, Mirrors, Patience, Refused
from pipeline.fetch.remote import fetch

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def web(server):
    """A server with one file at two addresses."""
    server.files |= {"/a": CONTENT, "/b": CONTENT}
    return server


@pytest.fixture
def lines(caplog):
    """The warnings in the log."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def get(web, tmp_path, patience, *paths):
    addresses = [path if "://" in path else web.url(path) for path in paths]
    fetch("corpus", addresses, tmp_path / "file", len(CONTENT), None, patience)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_every_failed_attempt_is_a_line(web, tmp_path, patience, lines):
    """It says which mirror failed, why, which is next, and when."""
    bad = {("/a", 0): Manners(status=503), ("/b", 0): Manners(drop=100_000)}
    web.manners = lambda path, number: bad.get((path, number), Manners())
    get(web, tmp_path, patience, "/a", "/b")
    assert lines() == [
        f"corpus: {web.url('/a')}: 503 Service Unavailable; next is {web.url('/b')}, at once",
        f"corpus: {web.url('/b')}: connection broken; next is the same, at once",
    ]


def test_a_pause_is_reported(web, tmp_path, lines):
    web.manners = lambda path, number: Manners(status=500) if number < 2 else Manners()
    get(web, tmp_path, Patience(pause=0.6), "/a")
    cause = f"corpus: {web.url('/a')}: 500 Internal Server Error; next is the same"
    assert lines() == [f"{cause}, in 1 s", f"{cause}, in 1 s"]


def test_a_mirror_that_was_cut_continues_before_another_is_asked(web, tmp_path, patience):
    web.manners = lambda path, number: Manners(drop=70_000)
    get(web, tmp_path, patience, "/a", "/b")
    assert web.requests("/b") == 0 and web.requests("/a") == 5


def test_without_a_network_every_cause_is_printed_and_it_ends(tmp_path, lines):
    """No server listens on these ports."""
    addresses = ["http://127.0.0.1:1/a", "http://127.0.0.1:2/a"]
    patience = Patience(pause=0.01, longest=0.1, start=0.5)
    began = time.monotonic()
    with pytest.raises(PipelineError) as error:
        get(None, tmp_path, patience, *addresses)
    assert 0.3 < time.monotonic() - began < 5
    first, second, *_, last = lines()
    assert first == f"corpus: {addresses[0]}: Connection refused; next is {addresses[1]}, at once"
    assert second == f"corpus: {addresses[1]}: Connection refused; next is {addresses[0]}, at once"
    assert re.fullmatch(r"corpus: http://127.0.0.1:[12]/a: Connection refused; giving up", last)
    assert str(error.value) == (
        f"corpus: cannot be fetched ({addresses[0]}: Connection refused; {addresses[1]}:"
        " Connection refused); check the network, or add a mirror with"
        " corpora.download.catalogue, and run again to go on from here"
    )


def test_the_cure_of_a_network_that_was_gone_works(web, tmp_path, patience):
    web.manners = lambda path, number: Manners(drop=100_000) if number == 0 else Manners(status=503)
    with pytest.raises(PipelineError, match="run again to go on from here"):
        get(web, tmp_path, Patience(pause=0.01, longest=0.1, silence=0.2), "/a")
    web.forget()
    web.manners = lambda path, number: Manners()
    get(web, tmp_path, patience, "/a")
    assert web.asked == [("/a", "bytes=100000-")]


def test_an_added_mirror_goes_on_from_there(web, tmp_path, patience):
    web.manners = lambda path, number: (
        Manners() if path == "/b" else Manners(drop=100_000) if number == 0 else Manners(status=404)
    )
    with pytest.raises(
        PipelineError, match=r"or add a mirror with corpora\.download\.catalogue, and"
    ):
        get(web, tmp_path, patience, "/a")
    web.forget()
    get(web, tmp_path, patience, "/b", "/a")
    assert web.asked == [("/b", "bytes=100000-")]


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only during waits."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr(mirrors, "time", clock)
    return clock


def attempts_until_given_up(clock, some, seconds, failure=lambda: Failed("silent for too long")):
    """Ask until all mirrors are given up; each attempt fails after some seconds."""
    for attempts in range(1, 1000):
        mirror = some.next()
        clock.sleep(seconds)
        try:
            some.failed(mirror, failure(), came=False)
        except PipelineError:
            return attempts
    raise AssertionError("never given up")


@pytest.mark.parametrize("seconds", [0, 5, 10, 30])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_without_any_byte_it_ends_in_three_minutes(clock, seconds, count):
    some = Mirrors("corpus", [f"http://{k}" for k in range(count)], Patience())
    attempts = attempts_until_given_up(clock, some, seconds)
    assert 120 <= clock.now - 1000 <= 180
    assert attempts >= max(count, 4)


@pytest.mark.parametrize("seconds", [0, 30])
def test_after_some_bytes_it_ends_in_some_minutes(clock, seconds):
    some = Mirrors("corpus", ["http://a", "http://b"], Patience())
    clock.sleep(5000)
    some.sent(some.next())
    attempts = attempts_until_given_up(clock, some, seconds)
    assert 550 <= clock.now - 6000 <= 660
    assert attempts > 15


def test_pauses_double_up_to_the_longest(clock):
    some = Mirrors("corpus", ["http://a"], Patience())
    some.sent(some.next())
    pauses = []
    for _ in range(9):
        mirror = some.next()
        some.failed(mirror, Failed("broken"), came=False)
        pauses.append(mirror.ready - clock.now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_a_requested_pause_of_a_mirror_is_kept(clock, lines):
    some = Mirrors("corpus", ["http://a"], Patience())
    some.failed(some.next(), Failed("503 Busy", 300), came=False)
    asked = some.next()
    assert asked.address == "http://a" and clock.now == 1300
    with pytest.raises(PipelineError, match=r"503 Busy, asks for a pause of 3600 s\)"):
        some.failed(asked, Failed("503 Busy", 3600), came=False)
    assert lines() == [
        "corpus: http://a: 503 Busy, asks for a pause of 300 s; next is the same, in 300 s",
        "corpus: http://a: 503 Busy, asks for a pause of 3600 s; giving up",
    ]


def test_while_one_asks_for_a_pause_another_is_asked(clock):
    some = Mirrors("corpus", ["http://a", "http://b"], Patience())
    some.failed(some.next(), Failed("503 Busy", 200), came=False)
    for _ in range(3):
        mirror = some.next()
        assert mirror.address == "http://b"
        some.failed(mirror, Failed("broken"), came=False)


def test_a_mirror_that_refuses_is_not_tried_again(clock, lines):
    some = Mirrors("corpus", ["http://a", "http://b"], Patience())
    some.failed(some.next(), Refused("404 Not Found"), came=False)
    with pytest.raises(PipelineError, match=r"http://a: 404 Not Found; http://b: 403 Forbidden"):
        some.failed(some.next(), Refused("403 Forbidden"), came=False)
    assert clock.now == 1000
    assert lines()[-1] == "corpus: http://b: 403 Forbidden; giving up"
