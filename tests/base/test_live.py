"""Whether a run has certainly ended."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pipeline.base import live
from pipeline.base.files import read_json, write_json
from pipeline.base.live import note_run, was_killed, whereabouts


@pytest.fixture
def gone(tmp_path):
    """The record of a run of this machine whose process has ended; `gone(boot=…)` changes it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = round(psutil.Process(process.pid).create_time())
    process.kill()
    process.wait()

    def write(**changes):
        note = whereabouts() | {"pid": process.pid, "began": began, "local": True} | changes
        write_json(tmp_path / "note", note)
        return tmp_path / "note"

    return write


def test_a_process_that_has_ended_was_killed(gone):
    assert was_killed(gone())


def test_a_note_holds_where_a_run_is(tmp_path):
    assert note_run(tmp_path / "runs", local=False) == []
    [note] = (tmp_path / "runs").iterdir()
    content = read_json(note)
    assert content == whereabouts() | {
        "pid": os.getpid(),
        "began": round(psutil.Process().create_time()),
        "local": False,
    }
    if sys.platform == "linux":
        assert content["boot"] and content["namespace"].startswith("pid:[")


@pytest.mark.parametrize(
    "elsewhere",
    [{"host": "another"}, {"namespace": "pid:[1]"}, {"namespace": None}, {"local": False}],
)
def test_a_run_elsewhere_may_be_alive(gone, elsewhere):
    assert not was_killed(gone(**elsewhere))


@pytest.mark.parametrize("machine, killed", [("one", True), ("another", False), (None, False)])
def test_a_machine_that_was_started_since_has_killed_it(
    gone, monkeypatch, tmp_path, machine, killed
):
    monkeypatch.setattr(live, "MACHINE", tmp_path / "machine-id")
    (tmp_path / "machine-id").write_text("one\n")
    assert was_killed(gone(boot="before", machine=machine, namespace="pid:[1]")) == killed
    (tmp_path / "machine-id").unlink()
    assert not was_killed(gone(boot="before", machine=machine))


@pytest.mark.skipif(sys.platform != "linux", reason="where there is no /proc nothing hides it")
def test_where_proc_is_hidden_nothing_is_known(gone, monkeypatch, tmp_path):
    monkeypatch.setattr(live, "NAMESPACE", tmp_path / "hidden")
    assert not was_killed(gone(namespace=None))


@pytest.mark.parametrize("error", [PermissionError, None])
def test_a_process_that_is_hidden_is_alive(gone, monkeypatch, error):
    """As with `hidepid`: a signal finds the process, /proc does not show it."""

    def kill(pid, number):
        if error:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert not was_killed(gone())


def test_a_running_process_is_alive(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        began = round(psutil.Process(process.pid).create_time())
        note = whereabouts() | {"pid": process.pid, "began": began, "local": True}
        write_json(tmp_path / "note", note)
        assert not was_killed(tmp_path / "note")
        write_json(tmp_path / "note", note | {"began": 1})  # another process had its number
        assert was_killed(tmp_path / "note")
        process.send_signal(signal.SIGKILL)
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        write_json(tmp_path / "note", note)
        assert was_killed(tmp_path / "note")
    finally:
        process.kill()
        process.wait()


def test_an_earlier_process_had_the_number_of_this_one(gone):
    assert was_killed(gone(pid=os.getpid(), began=1))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"host": 1}'])
def test_a_damaged_note_is_ignored(tmp_path, content):
    (tmp_path / "note").write_text(content)
    assert not was_killed(tmp_path / "note")
