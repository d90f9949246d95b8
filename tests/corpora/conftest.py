"""A web server on this machine with archives of recordings, and a client without patience."""

from collections.abc import Iterator

import pytest
import served as make
from loopback import Loopback

from pipeline.corpora import download
from pipeline.corpora.transfer import Patience

ARCHIVES: dict[str, bytes] = {}  # made once for all tests


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A web server without files."""
    loopback = Loopback()
    yield loopback
    loopback.close()


@pytest.fixture
def served(server, corpus) -> Loopback:
    """The server with speech as `/dev-clean.tar.gz` …, noise as `/wham_noise.zip` and as git."""
    if not make.GENUINE.exists():
        corpus.fill(speakers=6, utterances=4)
        for number in range(24):
            corpus.hiss(("train", "train", "dev", "test")[number % 4], f"n{number}", 0.5)
    if not ARCHIVES:
        for split, name in make.SUBSETS.items():
            ARCHIVES[f"/{name}.tar.gz"] = make.make_tar(make.speech_members(corpus, split))
        ARCHIVES["/wham_noise.zip"] = make.make_zip(make.noise_members(corpus))
    server.files |= ARCHIVES
    make.serve_git(server, corpus)
    return server


@pytest.fixture
def patience() -> Patience:
    """Enough for a test."""
    return Patience(timeout=0.5, pause=0.001, longest=0.05, tries=3)


@pytest.fixture(autouse=True)
def small_disk(monkeypatch) -> None:
    """Leave nothing free: the disk of a test machine may be nearly full."""
    monkeypatch.setattr(download, "SPARE", 0)
