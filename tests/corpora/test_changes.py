"""What has changed on disk since a corpus was scanned."""

import os
import shutil

import pandas as pd
import pytest

from pipeline.config import Corpora
from pipeline.corpora.changes import (
    Stamp,
    changes,
    changes_of_fetched,
    files_of,
    look_at,
    read_files,
    state_of,
    write_files,
)
from pipeline.files import write_manifest


@pytest.fixture
def local(corpus):
    """A small corpus on disk, as the configuration names it."""
    corpus.fill(speakers=1, utterances=2)
    folders = {"speech": str(corpus.speech), "noise": str(corpus.noise)}
    return Corpora(kind="local", local=folders | {"subsets": corpus.subsets})


@pytest.fixture
def look(local, tmp_path):
    """`look(kind)` is how a run finds a corpus; `look.scan(kind)` notes what a scan saw."""

    def call(kind):
        return look_at(local, kind, tmp_path / f"{kind}.files.csv", [])

    def scan(kind):
        write_files(files_of(local, kind), tmp_path / f"{kind}.files.csv")

    call.scan = scan
    return call


def test_a_corpus_that_is_as_it_was(look):
    for kind in ("speech", "noise"):
        before = look(kind)
        look.scan(kind)
        assert look(kind) == before and before.line is None


def test_files_added_removed_and_replaced_are_counted(look, corpus):
    look.scan("speech")
    look.scan("noise")
    before = look("speech"), look("noise")
    [first, second] = sorted((corpus.speech / "train-clean/1001").rglob("*.flac"))
    first.unlink()
    second.write_bytes(second.read_bytes() + b"0")
    corpus.speak("train", "1009")
    corpus.speak("train", "1010")
    after = look("speech")
    assert after.state != before[0].state
    # Each of the new speakers brings a list of what is said.
    assert after.line == (
        "corpora.local.speech: 4 added, 1 gone, 1 changed since it was scanned; it is scanned"
        " again, and what depends on it is made again"
    )
    assert look("noise") == before[1]
    corpus.hiss("train", "another")
    assert look("noise").line.startswith("corpora.local.noise: 1 added since")


@pytest.mark.parametrize("name", ["SPEAKERS.TXT", "train-clean/1001/7/1001-7.trans.txt"])
def test_texts_count_too(look, corpus, name):
    look.scan("speech")
    before = look("speech")
    (corpus.speech / name).write_text("changed")
    assert look("speech").state != before.state and "1 changed" in look("speech").line


def test_a_replacement_of_the_same_size_is_seen_by_its_time(look, corpus):
    look.scan("noise")
    path = corpus.noise / "tr/long.wav"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert "1 changed" in look("noise").line


def test_a_corpus_out_of_reach_leaves_its_results_alone(look, corpus):
    before = look("speech")
    look.scan("speech")
    shutil.rmtree(corpus.speech)
    found = look("speech")
    assert found.state == before.state
    assert found.line.endswith("corpora.local.subsets; its last scan is used")


def test_before_the_first_scan_its_job_says_what_is_wrong(look, corpus):
    shutil.rmtree(corpus.noise)
    assert look("noise").line is None


def test_what_a_run_makes_itself_is_not_looked_at(tmp_path):
    assert files_of(Corpora(), "speech") == {}
    assert look_at(Corpora(), "noise", tmp_path / "no.csv", []).line is None


def test_files_come_back_as_they_were_written(tmp_path):
    files = {"/a/b,c.wav": Stamp(3, 1_700_000_000_123_456_789), "NA": Stamp(0, 1)}
    write_files(files, tmp_path / "files.csv")
    assert read_files(tmp_path / "files.csv") == files
    assert state_of(files) == state_of(dict(reversed(files.items())))
    for changed in ({"NA": Stamp(1, 1)}, {"NA": Stamp(0, 2)}, {"na": Stamp(0, 1)}):
        assert state_of(files | changed) != state_of(files)
    assert changes(files, files) == "" and read_files(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    "change, said", [("none", ""), ("size", "1 changed"), ("time", "1 changed"), ("gone", "1 gone")]
)
def test_fetched_files_are_as_their_list_says(tmp_path, change, said):
    paths = [tmp_path / f"data/{k}.wav" for k in range(3)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"RIFF")
    listed = tmp_path / "results/part.csv"
    write_manifest(listed, pd.DataFrame({"path": paths, "bytes": 4}))
    if change == "size":
        paths[1].write_bytes(b"RIF")
        os.utime(paths[1], (1, 1))
    elif change == "time":
        os.utime(paths[1], (listed.stat().st_mtime + 9,) * 2)
    elif change == "gone":
        paths[1].unlink()
    assert changes_of_fetched([listed, tmp_path / "not-yet.csv"]) == said
    found = look_at(Corpora(kind="download"), "noise", tmp_path / "x.csv", [listed])
    assert (found.state, found.line is not None) == (said, bool(said))
