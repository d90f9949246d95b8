"""Listing the files of a corpus: links, folders of any depth, and missing permissions."""

import shutil
import tempfile
from pathlib import Path

import pytest
from users import a_user

from pipeline.base.errors import PipelineError
from pipeline.config import Corpora
from pipeline.corpora.changes import files_of
from pipeline.corpora.listing import list_corpus, list_files
from pipeline.corpora.scan import scan_noise, scan_speech
from pipeline.corpora.texts import read_sexes, read_transcripts


@pytest.fixture
def filled(corpus):
    """A filled corpus that any user may read, in a folder that any user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    filled = type(corpus)(folder / "corpus").fill(speakers=2, utterances=1)
    filled.root.chmod(0o777)
    yield filled
    shutil.rmtree(folder)


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


def scan(corpus):
    with a_user():
        scan_speech(corpus.spoken, 2, corpus.root / "speech.csv")
        scan_noise(corpus.noises, corpus.root / "noise.csv")


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
@pytest.mark.parametrize(
    "place",
    [
        "LibriSpeech/train-clean/1001",
        "LibriSpeech/train-clean/1001/7",
        "LibriSpeech/dev-clean",
        "wham_noise/tr",
        "wham_noise/tt/street",
    ],
)
def test_a_folder_that_may_not_be_read_is_named(filled, place, mode):
    filled.hiss("test", "street/rain")
    folder = filled.root / place
    folder.chmod(mode)
    assert refused(scan, filled) == f"{folder}: may not be read; check its permissions"
    folder.chmod(0o755)  # the cure
    scan(filled)


@pytest.mark.parametrize(
    "place", ["LibriSpeech/dev-clean/2001/7/2001-7-0000.flac", "wham_noise/cv/long.wav"]
)
def test_a_recording_that_may_not_be_read_is_named(filled, place):
    file = filled.root / place
    file.chmod(0o000)
    assert refused(scan, filled) == f"{file}: may not be read; check its permissions"
    file.chmod(0o644)
    scan(filled)


def test_a_text_that_may_not_be_read_is_named(filled):
    transcript = filled.speech / "train-clean/1001/7/1001-7.trans.txt"
    for file, read in (
        (transcript, lambda: read_transcripts([transcript], needed=True)),
        (filled.speech / "SPEAKERS.TXT", lambda: read_sexes(filled.speech / "SPEAKERS.TXT")),
    ):
        file.chmod(0o000)
        with a_user():
            assert refused(read) == f"{file}: may not be read; check its permissions"
        file.chmod(0o644)
        with a_user():
            assert read()


def test_a_link_into_a_folder_that_may_not_be_entered_is_named(filled):
    link, away = filled.speech / "train-clean/1003", filled.root / "away"
    (away / "1003").mkdir(parents=True)
    link.symlink_to(away / "1003")
    away.chmod(0o000)
    assert refused(scan, filled) == f"{link}: may not be read; check its permissions"
    away.chmod(0o755)
    scan(filled)


def test_a_list_of_speakers_behind_a_folder_that_may_not_be_entered_is_named(filled):
    """This happens when a run starts, before anything is scanned."""
    folders = {"speech": str(filled.speech), "noise": str(filled.noise)}
    local = Corpora(kind="local", local=folders | {"subsets": filled.subsets})
    away, speakers = filled.root / "away", filled.speech / "SPEAKERS.TXT"
    away.mkdir()
    speakers.rename(away / "SPEAKERS.TXT")
    speakers.symlink_to(away / "SPEAKERS.TXT")
    away.chmod(0o000)
    with a_user():
        assert refused(files_of, local, "speech") == (
            f"{speakers}: may not be read; check its permissions"
        )
    away.chmod(0o755)
    with a_user():
        assert str(speakers) in files_of(local, "speech")


def test_a_link_that_leads_to_itself_is_not_a_question_of_permissions(filled):
    folders = {"speech": str(filled.speech), "noise": str(filled.noise)}
    local = Corpora(kind="local", local=folders | {"subsets": filled.subsets})
    link = filled.noise / "tr/loop.wav"
    link.symlink_to(link)
    assert str(link) not in files_of(local, "noise")
    assert refused(scan, filled) == (
        f"{link}: no such file; check the path, or run the same command again"
    )
    link.unlink()
    scan(filled)


def test_a_link_to_a_folder_above_is_named(corpus):
    corpus.fill(speakers=1, utterances=1)
    subset, noises = corpus.speech / "train-clean", corpus.noise / "tr"
    for kind, subsets, above in (
        ("speech", corpus.spoken, subset),
        ("noise", corpus.noises, noises),
    ):
        link = above / "again"
        link.symlink_to(above)
        line = f"{link}: is a link to a folder above it; remove the link"
        assert refused(list_corpus, subsets, kind) == line
        link.unlink()  # the cure
        assert list_corpus(subsets, kind)


def test_a_link_that_leads_to_itself_is_a_broken_link(corpus):
    corpus.fill(speakers=1, utterances=1)
    link = corpus.speech / "train-clean/loop"
    link.symlink_to(link)
    assert list_files(corpus.speech / "train-clean", "").broken == [link]


def test_two_links_to_one_folder_are_two_folders(corpus):
    corpus.hiss("train", "away/rain")
    for name in ("one", "two"):
        (corpus.noise / "tr" / name).symlink_to(corpus.noise / "tr/away")
    for split in ("dev", "test"):
        corpus.hiss(split, "rain")
    names = [path.parent.name for path in list_files(corpus.noise / "tr", "").audio]
    assert names == ["away", "one", "two"]
