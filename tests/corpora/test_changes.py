"""Changes on disk since a corpus was scanned."""

import os
import shutil

import pandas as pd
import pytest

from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.config import Corpora
from pipeline.corpora.changes import (
    Stamp,
    changes,
    files_of,
    look_at,
    read_files,
    stamps,
    state_of,
    write_files,
)


@pytest.fixture
def local(corpus):
    """A small corpus on disk, in the form that the configuration names."""
    corpus.fill(speakers=1, utterances=2)
    folders = {"speech": str(corpus.speech), "noise": str(corpus.noise)}
    return Corpora(kind="local", local=folders | {"subsets": corpus.subsets})


@pytest.fixture
def look(local, tmp_path):
    """`look(kind)` is the check at the start of a run; `look.scan(kind)` records a scan's state."""

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
    # Each of the new speakers adds a transcript.
    assert after.line == (
        "corpora.local.speech: 4 added, 1 gone, 1 changed since it was scanned; it is scanned"
        " again, and what depends on it is rebuilt"
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


def test_a_replacement_of_the_same_size_is_detected_by_its_time(look, corpus):
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
    assert found.line.endswith("its last scan is used")


def test_another_corpus_that_is_not_there_is_refused_before_anything_is_lost(look, local, tmp_path):
    look.scan("speech")
    wrong = local.model_copy(update={"local": local.local.model_copy(update={"speech": ["/no"]})})
    with pytest.raises(PipelineError, match=r"corpora\.local\.speech: /no: no such folder"):
        look_at(wrong, "speech", tmp_path / "speech.files.csv", [])


def test_a_recording_that_is_new_and_bad_is_refused_before_anything_is_lost(look, corpus):
    look.scan("speech")
    path = corpus.speak("train", "1001", 9)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(PipelineError, match="cannot be read as audio"):
        look("speech")
    path.unlink()  # as the line says
    assert "1 changed" in look("speech").line  # one more transcript


def test_before_the_first_scan_errors_are_reported(look, corpus):
    shutil.rmtree(corpus.noise)
    with pytest.raises(PipelineError, match="no such folder"):
        look("noise")


def test_a_text_that_may_not_be_read_is_another_one_once_it_may(look, corpus, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: "1001-7.trans" not in str(path))
    look.scan("speech")
    monkeypatch.undo()
    assert "1 changed" in look("speech").line


def test_a_damaged_record_is_ignored(look, tmp_path):
    look.scan("noise")
    for torn in ("", "file,bytes\na,1\n", "file,bytes,modified\na,,\n"):
        (tmp_path / "noise.files.csv").write_text(torn)
        assert read_files(tmp_path / "noise.files.csv") == {}


def test_names_that_a_table_cannot_hold_are_written_otherwise(tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9\r.trans.txt")
    odd.touch()
    write_files(stamps([odd]), tmp_path / "files.csv")
    assert read_files(tmp_path / "files.csv") == stamps([odd])


def test_corpora_made_by_the_run_are_not_checked(tmp_path):
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


@pytest.fixture
def fetched(tmp_path):
    """Three fetched files and their list."""
    paths = [tmp_path / f"data/{k}.wav" for k in range(3)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"RIFF")
    write_manifest(tmp_path / "results/part.csv", pd.DataFrame({"path": paths, "bytes": 4}))
    return paths, tmp_path / "results/part.csv"


def test_fetched_files_that_changed_are_reported_once_and_each_change_counts(fetched, tmp_path):
    paths, listed = fetched
    corpora, recorded = Corpora(kind="download"), tmp_path / "files.csv"

    def look():
        return look_at(corpora, "noise", recorded, [listed, tmp_path / "not-yet.csv"])

    def scan():
        write_files(files_of(corpora, "noise", [listed]), recorded)

    scan()
    first = look()
    assert first.line is None
    states = {first.state}
    for size in (3, 5):  # two changes of one file that differs from the fetched one
        paths[1].write_bytes(b"RIFFS"[:size])
        found = look()
        assert "corpora.download.noise: 1 " in found.line and found.state not in states
        states.add(found.state)
        scan()
        assert look() == (found.state, None)
    os.utime(paths[0], (listed.stat().st_mtime + 9,) * 2)
    assert "1 added" in look().line
    paths[2].unlink()  # the next scan would report it
    assert "1 added since" in look().line


def test_another_kind_of_corpus_is_not_compared(look, tmp_path):
    look.scan("noise")
    assert look_at(Corpora(), "noise", tmp_path / "noise.files.csv", []).line is None
