import logging
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import SPLITS
from pipeline.corpora.roots import Subset
from pipeline.corpora.scan import fetched_files, scan_noise, scan_speech


def scanned(corpus, num_speakers=1, only=None, **options):
    scan_speech(corpus.spoken, num_speakers, corpus.root / "speech.csv", only, **options)
    return read_manifest(corpus.root / "speech.csv")


def scanned_noise(corpus, only=None):
    scan_noise(corpus.noises, corpus.root / "noise.csv", only)
    return read_manifest(corpus.root / "noise.csv")


def refused(function, corpus, *arguments, **options):
    """The line with which a corpus is refused; no manifest is left."""
    with pytest.raises(PipelineError) as error:
        function(corpus, *arguments, **options)
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


def test_optional_files_of_a_corpus(one_each):
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


def test_subsets_may_be_in_different_folders_each_with_its_speakers(one_each, tmp_path):
    (one_each.speech / "SPEAKERS.TXT").write_text("84 | F | train-clean\n0012 | F | dev-clean\n")
    moved = tmp_path / "elsewhere/dev-clean"
    moved.parent.mkdir()
    (one_each.speech / "dev-clean").rename(moved)
    (moved.parent / "SPEAKERS.TXT").write_text("84 | M | train-clean\n0012 | M | dev-clean\n")
    subsets = one_each.spoken | {"dev": [Subset(moved.parent, moved.name)]}
    scan_speech(subsets, 1, one_each.root / "speech.csv")
    assert list(read_manifest(one_each.root / "speech.csv")["sex"].fillna("?")) == ["F", "M", "?"]


def test_only_fetched_files_are_listed(one_each, tmp_path):
    """A folder may hold files that another run fetched; it may be behind a link."""
    taken = [one_each.speech.rglob("*.flac"), one_each.noise.rglob("*.wav")]
    (tmp_path / "link").symlink_to(one_each.root)
    paths = [tmp_path / "link" / p.relative_to(one_each.root) for found in taken for p in found]
    write_manifest(tmp_path / "part.csv", pd.DataFrame({"path": paths, "bytes": 1}))
    one_each.speak("train", "85")
    one_each.hiss("test", "wind")
    only = fetched_files([tmp_path / "part.csv"])
    assert set(scanned(one_each, only=only)["speaker"]) == {"84", "0012", "3000"}
    assert set(scanned_noise(one_each, only)["noise"]) == {"rain"}


def test_a_fetched_file_that_has_vanished_is_named(one_each, tmp_path):
    path = one_each.noise / "tt/rain.wav"
    write_manifest(tmp_path / "part.csv", pd.DataFrame({"path": [path], "bytes": 1}))
    path.unlink()
    with pytest.raises(PipelineError, match="was fetched and has vanished, 1 files in all; run"):
        fetched_files([tmp_path / "part.csv"])


def test_a_missing_subset_is_named(one_each):
    (one_each.speech / "dev-clean").rename(one_each.speech / "dev")
    message = refused(scanned, one_each)
    assert message.startswith(f"{one_each.speech / 'dev-clean'}: no such folder; check corpora.")


def test_an_empty_subset_is_named(one_each):
    for file in one_each.speech.glob("test-clean/*/*/*"):
        file.unlink()
    message = refused(scanned, one_each)
    assert message.startswith(
        f"{one_each.speech / 'test-clean'}: holds no audio; put recordings there, as <speaker>"
    )


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


def test_a_name_that_occurs_twice_is_named(one_each):
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


def test_a_bad_transcript_is_reported_and_stops_only_runs_that_need_it(one_each, caplog):
    file = one_each.speech / "train-clean/84/7/84-7.trans.txt"
    file.write_bytes("84-7-0000 CAFÉ".encode("latin-1"))
    line = f"{file}: is not UTF-8 text; save it as UTF-8"
    assert refused(scanned, one_each, need_transcripts=True) == line
    table = scanned(one_each).set_index("speaker")
    assert f"1 transcripts are left out: {line}" in caplog.messages
    assert list(table["transcript"].fillna("?")) == ["?", "WORDS OF 0012", "WORDS OF 3000"]
    file.write_bytes(file.read_bytes().decode("latin-1").encode())  # the cure
    assert scanned(one_each, need_transcripts=True)["transcript"][0] == "CAFÉ"


def test_names_are_compared_as_they_are_read(one_each):
    """macOS writes é as e and an accent; texts that come with a corpus use one character."""
    one, two = "Jos\u00e9", "Jose\u0301"
    path = one_each.speak("train", two)
    path.with_name(f"{two}-7.trans.txt").write_text(f"{one}-7-0000 CAFÉ\n", encoding="utf-8")
    (one_each.speech / "SPEAKERS.TXT").write_text(f"{one} | M | train-clean\n", encoding="utf-8")
    row = scanned(one_each).set_index("speaker").loc[two]  # the name on the disk
    assert (row["transcript"], row["sex"], row["path"]) == ("CAFÉ", "M", str(path))
    path.rename(path.with_name(f"{one}-7-0000.flac"))  # folder and file in two forms
    assert two in set(scanned(one_each)["speaker"])
    (one_each.root / "speech.csv").unlink()
    second = one_each.speak("train", one, 1)
    folders = [one_each.speech / "train-clean" / name for name in (two, one)]
    message = refused(scanned, one_each)
    assert message.startswith(f"{folders[1]}: is the folder of the speaker of {folders[0]}, an acc")
    second.rename(folders[0] / "7" / second.name)  # the cure
    assert set(scanned(one_each)["speaker"]) == {"84", two, "0012", "3000"}


def test_two_forms_of_a_name_are_one_name(one_each):
    names = ["caf\u00e9", "cafe\u0301"]
    paths = [one_each.hiss("train", name) for name in names]
    message = refused(scanned_noise, one_each)
    assert message.split("; ")[1] == "rename or remove one of them"
    assert all(str(path) in message for path in paths)


def test_hidden_files_are_left_out_and_counted(one_each, caplog):
    """macOS puts `._x` beside every x on a foreign disk, and .DS_Store into folders."""
    before, noises = scanned(one_each), scanned_noise(one_each)
    assert not caplog.messages
    files = [p for p in one_each.root.rglob("*") if p.suffix in (".flac", ".txt", ".wav")]
    for file in files:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7Mac OS X")
        file.with_name(".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (one_each.noise / "tt/.cache").mkdir()
    shutil.copy(one_each.noise / "tr/rain.wav", one_each.noise / "tt/.cache")
    assert scanned(one_each).equals(before) and scanned_noise(one_each).equals(noises)
    told = [line.split(", such as")[0] for line in caplog.messages]
    hidden = "hidden files or folders are left out"
    assert told == [f"9 {hidden}", f"7 {hidden}"]


def test_a_broken_link_is_reported(one_each, caplog):
    (one_each.speech / "train-clean/85").symlink_to(one_each.root / "nowhere")
    assert len(scanned(one_each)) == 3
    assert caplog.messages == [
        f"1 broken links are left out, such as {one_each.speech}/train-clean/85"
    ]


def test_a_recording_that_stands_twice_under_one_name_is_said_to(one_each):
    link = one_each.speech / "linked"
    link.symlink_to(one_each.speech / "train-clean")
    one_each.subsets = one_each.subsets | {"train": ["train-clean", "linked"]}
    message = refused(scanned, one_each)
    assert message.startswith(f"{link}/84/7/84-7-0000.flac: stands twice in the corpora; name its")
    link.unlink()
    one_each.subsets = one_each.subsets | {"train": ["train-clean"]}
    assert len(scanned(one_each)) == 3


@pytest.mark.parametrize("take", [shutil.copyfile, os.symlink, os.link])
def test_a_recording_in_two_splits_is_refused_under_any_name(one_each, take):
    for split, name in (("train", "drizzle"), ("dev", "hail")):  # of one size, not the same
        one_each.hiss(split, name)
    noise, copy = one_each.noise / "tr/rain.wav", one_each.noise / "tt/street/wet.wav"
    copy.parent.mkdir()
    take(noise, copy)
    assert refused(scanned_noise, one_each) == (
        f"{copy}: is the same recording as {noise}, in test and in train; remove one of them"
    )
    copy.unlink()
    assert len(scanned_noise(one_each)) == 5


def test_a_recording_of_a_reader_under_the_name_of_another_is_refused(one_each):
    taken = one_each.speech / "train-clean/84/7/84-7-0000.flac"
    copy = one_each.speak("test", "3000", 1)
    shutil.copyfile(taken, copy)
    assert refused(scanned, one_each) == (
        f"{copy}: is the same recording as {taken}, in test and in train; remove one of them"
    )


def test_a_recording_twice_in_one_split_is_reported(one_each, caplog):
    shutil.copyfile(one_each.noise / "tr/rain.wav", one_each.noise / "tr/wet.wav")
    assert len(scanned_noise(one_each)) == 4
    assert caplog.messages == ["train: 1 noise files are copies of others of this split"]


def test_a_published_recording_in_two_splits_is_reported(one_each, tmp_path, caplog):
    """A user who fetched it cannot correct it: a removed file would be missed."""
    copy = one_each.noise / "tt/wet.wav"
    shutil.copyfile(one_each.noise / "tr/rain.wav", copy)
    paths = sorted(one_each.noise.rglob("*.wav"))
    write_manifest(tmp_path / "part.csv", pd.DataFrame({"path": paths, "bytes": 1}))
    assert len(scanned_noise(one_each, fetched_files([tmp_path / "part.csv"]))) == 4
    assert [line.split(" is the same")[0] for line in caplog.messages] == [
        f"1 noise files are in two splits: {copy}:"
    ]


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


def test_a_noise_that_occurs_twice_is_named(one_each):
    samples, rate = audio.read(one_each.noise / "tr/rain.wav")
    audio.write(one_each.noise / "tr/rain.flac", samples, rate, format="FLAC")
    names = [one_each.noise / "tr" / name for name in ("rain.wav", "rain.flac")]
    assert refused(scanned_noise, one_each).startswith(f"{names[0]}: has the name of {names[1]}; ")


def test_noises_in_folders_are_named_with_them(one_each):
    one_each.hiss("train", "street/rain")
    one_each.hiss("train", "street/night/rain")
    table = scanned_noise(one_each)
    assert list(table["noise"])[:3] == ["rain", "street_night_rain", "street_rain"]
    assert list(table["split"])[:3] == ["train"] * 3
    one_each.hiss("train", "street_rain")
    (one_each.root / "noise.csv").unlink()
    message = refused(scanned_noise, one_each)
    first, second = (f"{one_each.noise}/tr/{name}.wav" for name in ("street/rain", "street_rain"))
    assert message == f"{second}: has the name of {first}; rename or remove one of them"


def test_a_name_too_long_with_its_folders_is_named(one_each):
    path = one_each.hiss("train", f"{'a' * 120}/{'b' * 109}")
    assert len(scanned_noise(one_each)["noise"][0]) == 230
    (one_each.root / "noise.csv").unlink()
    path = path.rename(path.with_stem("b" * 110))
    message = refused(scanned_noise, one_each)
    assert message == (
        f"{path}: its name and those of its folders have more than 230 bytes; rename them"
    )
