import logging
import os

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.config import SPLITS
from pipeline.corpora.scan import fetched_files, scan_noise, scan_speech
from pipeline.errors import PipelineError
from pipeline.files import read_manifest, write_manifest


def scanned(corpus, num_speakers=1, only=None):
    scan_speech(corpus.folders, num_speakers, corpus.root / "speech.csv", only)
    return read_manifest(corpus.root / "speech.csv")


def scanned_noise(corpus, only=None):
    scan_noise(corpus.noise, corpus.root / "noise.csv", only)
    return read_manifest(corpus.root / "noise.csv")


def refused(function, corpus, *arguments):
    """The one line with which a corpus is refused; no manifest is left."""
    with pytest.raises(PipelineError) as error:
        function(corpus, *arguments)
    assert "\n" not in str(error.value)
    assert not list(corpus.root.glob("*.csv"))
    return str(error.value)


@pytest.fixture
def one_each(corpus):
    """One utterance of one speaker, and one noise, in each split."""
    for split, speaker in zip(SPLITS, ("84", "0012", "3000"), strict=True):
        corpus.speak(split, speaker, text=f"WORDS OF {speaker}")
        corpus.hiss(split, "rain")
    return corpus


def test_a_row_for_each_utterance(one_each):
    header = ";comment | with | bars\n\n"
    lines = "84   | F | train-clean | 1.0 | ANN\n0012 | M | dev-clean | 1.0 | BOB | SMITH\n"
    (one_each.speech / "SPEAKERS.TXT").write_text(header + lines)
    table = scanned(one_each)
    assert list(table["utterance"]) == ["84-7-0000", "0012-7-0000", "3000-7-0000"]
    assert list(table["speaker"]) == ["84", "0012", "3000"]
    assert list(table["split"]) == ["train", "dev", "test"]
    assert list(table["subset"]) == ["train-clean", "dev-clean", "test-clean"]
    assert list(table["sex"].fillna("?")) == ["F", "M", "?"]
    assert list(table["transcript"]) == ["WORDS OF 84", "WORDS OF 0012", "WORDS OF 3000"]
    assert table["path"][1].endswith("LibriSpeech/dev-clean/0012/7/0012-7-0000.flac")


def test_what_a_corpus_may_lack(one_each):
    for file in one_each.speech.rglob("*.trans.txt"):
        file.unlink()
    table = scanned(one_each)
    assert table["transcript"].isna().all() and table["sex"].isna().all()


def test_names_in_any_script_and_wav_files(one_each):
    one_each.speak("train", "Ærø-ж", suffix=".WAV", text="ПРИВЕТ")
    row = scanned(one_each).set_index("speaker").loc["Ærø-ж"]
    assert (row["utterance"], row["transcript"]) == ("Ærø-ж-7-0000", "ПРИВЕТ")
    assert row["path"].endswith("Ærø-ж-7-0000.WAV")


def test_several_subsets_make_a_split(one_each):
    subsets = one_each.subsets | {"train": ["train-clean", "more"]}
    (one_each.speech / "train-clean/84").rename(one_each.speech / "84")
    one_each.speak("train", "85")
    (one_each.speech / "more").mkdir()
    (one_each.speech / "84").rename(one_each.speech / "more/84")
    one_each.subsets = subsets
    train = scanned(one_each).query("split == 'train'")
    assert dict(zip(train["speaker"], train["subset"], strict=True)) == {
        "85": "train-clean",
        "84": "more",
    }


def test_a_linked_speaker_is_followed(one_each, tmp_path):
    folder = one_each.speech / "train-clean/84"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert "84" in set(scanned(one_each)["speaker"])


def test_counts_are_logged(one_each, caplog):
    one_each.speak("train", "84", 1)
    with caplog.at_level(logging.INFO):
        scanned(one_each)
    assert "train: 2 utterance files of 1 speakers" in caplog.messages


def test_subsets_may_lie_apart_each_with_its_speakers(one_each, tmp_path):
    (one_each.speech / "SPEAKERS.TXT").write_text("84 | F | train-clean\n0012 | F | dev-clean\n")
    moved = tmp_path / "elsewhere/dev-clean"
    moved.parent.mkdir()
    (one_each.speech / "dev-clean").rename(moved)
    (moved.parent / "SPEAKERS.TXT").write_text("84 | M | train-clean\n0012 | M | dev-clean\n")
    folders = one_each.folders | {"dev": [moved]}
    scan_speech(folders, 1, one_each.root / "speech.csv")
    assert list(read_manifest(one_each.root / "speech.csv")["sex"].fillna("?")) == ["F", "M", "?"]


def test_only_what_was_fetched_is_listed(one_each, tmp_path):
    """A folder may hold what another run fetched; it may lie behind a link."""
    taken = [one_each.speech.rglob("*.flac"), one_each.noise.rglob("*.wav")]
    (tmp_path / "link").symlink_to(one_each.root)
    paths = [tmp_path / "link" / p.relative_to(one_each.root) for found in taken for p in found]
    write_manifest(tmp_path / "part.csv", pd.DataFrame({"path": paths, "bytes": 1}))
    one_each.speak("train", "85")
    one_each.hiss("test", "wind")
    only = fetched_files([tmp_path / "part.csv"])
    assert set(scanned(one_each, only=only)["speaker"]) == {"84", "0012", "3000"}
    assert set(scanned_noise(one_each, only)["noise"]) == {"rain"}


def test_what_was_fetched_and_has_vanished_is_named(one_each, tmp_path):
    path = one_each.noise / "tt/rain.wav"
    write_manifest(tmp_path / "part.csv", pd.DataFrame({"path": [path], "bytes": 1}))
    path.unlink()
    with pytest.raises(PipelineError, match="was fetched and has vanished, 1 files in all; fetch"):
        fetched_files([tmp_path / "part.csv"])


def test_a_missing_subset_is_named(one_each):
    (one_each.speech / "dev-clean").rename(one_each.speech / "dev")
    message = refused(scanned, one_each)
    assert message.startswith(f"{one_each.speech / 'dev-clean'}: no such folder; check corpora.")


def test_an_empty_subset_is_named(one_each):
    for file in one_each.speech.glob("test-clean/*/*/*"):
        file.unlink()
    message = refused(scanned, one_each)
    assert message.startswith(f"{one_each.speech / 'test-clean'}: holds no audio; expected")


@pytest.mark.parametrize(
    "place", ["84-7-1.wav", "84/84-7-1.wav", "84/7/1.wav", "84/7/x/84-7-1.wav"]
)
def test_another_layout_is_named(one_each, place):
    path = one_each.speech / "train-clean" / place
    audio.write(path, np.ones(100, np.float32), 16000)
    message = refused(scanned, one_each)
    assert message.startswith(f"{path}: not in LibriSpeech's layout <subset>/<speaker>/<chapter>/")


def test_a_speaker_in_two_splits_is_named(one_each):
    one_each.speak("dev", "84", 1)
    message = refused(scanned, one_each)
    assert message.startswith("corpora: speaker 84 is in train and dev; a speaker may be in one")


def test_a_subset_in_two_splits_is_a_speaker_in_two_splits(one_each):
    one_each.subsets = one_each.subsets | {"dev": ["train-clean"]}
    assert "speaker 84 is in train and dev" in refused(scanned, one_each)


def test_too_few_speakers_are_counted(one_each):
    one_each.speak("train", "85")
    message = refused(scanned, one_each, 2)
    assert message.startswith("corpora: split dev has 1 speakers, mixtures.num_speakers is 2")


def test_a_name_that_stands_twice_is_named(one_each):
    flac = one_each.speak("train", "85")
    wav = one_each.speak("train", "85", suffix=".wav")
    assert refused(scanned, one_each).startswith(f"{wav}: has the name of {flac}; rename")


def test_every_bad_file_is_named(one_each):
    empty, garbage, cut = (one_each.speak("train", "84", n, suffix=".wav") for n in (1, 2, 3))
    empty.write_bytes(b"")
    garbage.write_bytes(b"garbage" * 99)
    os.truncate(cut, 1000)
    causes = refused(scanned, one_each).split("; ")
    assert [c.split(": ")[0] for c in causes if ": " in c] == [str(empty), str(garbage), str(cut)]


def test_many_bad_files_are_counted(one_each):
    for n in range(1, 9):
        one_each.speak("train", "84", n).write_bytes(b"")
    assert refused(scanned, one_each).endswith("; and 3 more")


def test_a_transcript_in_another_encoding_is_named(one_each):
    file = one_each.speech / "train-clean/84/7/84-7.trans.txt"
    file.write_bytes("84-7-0000 CAFÉ".encode("latin-1"))
    assert refused(scanned, one_each) == f"{file}: is not UTF-8 text; save it as UTF-8"


def test_a_row_for_each_noise(one_each):
    one_each.hiss("train", "0012")
    table = scanned_noise(one_each)
    assert list(table["noise"]) == ["0012", "rain", "rain", "rain"]
    assert list(table["split"]) == ["train", "train", "dev", "test"]
    assert table["path"][0].endswith("wham_noise/tr/0012.wav")


def test_a_missing_noise_split_is_named(one_each):
    (one_each.noise / "cv").rename(one_each.noise / "dev")
    message = refused(scanned_noise, one_each)
    assert message.startswith(f"{one_each.noise / 'cv'}: no such folder; corpora.local.noise must")


def test_an_empty_noise_split_is_named(one_each):
    (one_each.noise / "tt/rain.wav").rename(one_each.noise / "tt/rain.txt")
    assert refused(scanned_noise, one_each).startswith(f"{one_each.noise / 'tt'}: holds no audio")


def test_a_bad_noise_is_named(one_each):
    path = one_each.hiss("dev", "wind")
    path.write_bytes(b"")
    assert refused(scanned_noise, one_each).startswith(f"{path}: cannot be read as audio")


def test_a_noise_that_stands_twice_is_named(one_each):
    samples, rate = audio.read(one_each.noise / "tr/rain.wav")
    audio.write(one_each.noise / "tr/rain.flac", samples, rate, format="FLAC")
    names = [one_each.noise / "tr" / name for name in ("rain.wav", "rain.flac")]
    assert refused(scanned_noise, one_each).startswith(f"{names[0]}: has the name of {names[1]}; ")
