"""Concurrent downloads, and downloads that were killed."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from loopback import Manners
from served import refused

from pipeline.base.files import read_manifest
from pipeline.config import DownloadCorpus
from pipeline.corpora import held

TAR = "/test-clean.tar.gz"

# Background jobs of a shell ignore SIGINT, and the processes that they start would do so too.
PROGRAM = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from pipeline.config import DownloadCorpus
from pipeline.corpora import download, held
from pipeline.fetch import remote
held.SPARE, remote.BLOCK = 0, 1 << 16
part = download.Part.model_validate_json(Path(sys.argv[1]).read_text())
settings = DownloadCorpus.model_validate_json(sys.argv[2])
download.download_part(part, settings, 0, Path(sys.argv[3]))
"""


@pytest.fixture
def beside(parts, fetched, served, tmp_path):
    """`beside(**limits)`: another process that fetches the speech and has started to do so."""

    def start(**limits) -> subprocess.Popen:
        slow = Manners(slow=0.02)
        served.manners = lambda path, number: slow
        (tmp_path / "part.json").write_text(parts.speech.model_dump_json())
        settings = DownloadCorpus(folder=str(fetched.folder), speech=limits).model_dump_json()
        arguments = [tmp_path / "part.json", settings, tmp_path / "beside.csv"]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)], stderr=subprocess.DEVNULL
        )
        arrived = fetched.folder / "downloads/test-clean.tar.part"
        while served.sent.total() < 200_000 or not (arrived.exists() and arrived.stat().st_size):
            time.sleep(0.01)  # bytes that were sent may still be on their way
        process.hasten = lambda: setattr(slow, "slow", 0.0)
        return process

    return start


def test_two_runs_fetch_a_part_once(parts, served, fetched, beside, tmp_path, caplog):
    other = beside()
    threading.Timer(0.2, other.hasten).start()
    with caplog.at_level(logging.INFO):
        files = fetched(parts.speech)
    assert other.wait() == 0 and "another run fetches it; waiting" in caplog.text
    assert served.sent.total() == len(served.files[TAR])
    assert len(read_manifest(tmp_path / "beside.csv")) == len(files)


@pytest.mark.parametrize(
    "limits, number", [({}, signal.SIGKILL), ({"max_speakers": 99}, signal.SIGINT)]
)
def test_a_killed_job_continues_where_it_was(
    parts, served, fetched, beside, tmp_path, limits, number
):
    killed, size = beside(**limits), len(served.files[TAR])
    os.kill(killed.pid, number)
    killed.wait()
    held = (fetched.folder / "downloads/test-clean.tar.part").stat().st_size
    assert 0 < held < size and not (tmp_path / "beside.csv").exists()
    time.sleep(0.1)  # until the server has noticed
    served.forget()
    served.manners = lambda path, number: Manners()
    fetched(parts.speech, **limits)
    assert served.sent.total() == size - held


def test_a_job_killed_at_its_last_step_is_only_put_in_place(parts, served, fetched, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(held.shutil, "rmtree", interrupt_at(held.shutil.rmtree, ".old"))
        fetched(parts.speech)
    assert not (fetched.folder / "LibriSpeech/test-clean").exists()
    served.forget()
    assert fetched(parts.speech) and not served.asked


def test_a_folder_put_there_meanwhile_is_not_changed(parts, served, fetched, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(held.shutil, "rmtree", interrupt_at(held.shutil.rmtree, ".old"))
        fetched(parts.speech)
    own = fetched.folder / "LibriSpeech/test-clean/own.flac"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    assert "was not made by this workflow" in refused(fetched, parts.speech)
    assert own.read_bytes() == b"mine"


def interrupt_at(function, name):
    def interrupted(path, **values):
        if str(path).endswith(name):
            raise KeyboardInterrupt
        function(path, **values)

    return interrupted


def test_a_folder_that_cannot_be_locked_is_used_nevertheless(parts, fetched, monkeypatch, caplog):
    def fail(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(held.fcntl, "flock", fail)
    assert fetched(parts.speech)
    assert "cannot be locked (No locks available)" in caplog.text
