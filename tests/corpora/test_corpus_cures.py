"""Every error line about a corpus on disk, with its cure followed: the corpus is then accepted."""

import os
import re

import numpy as np
import pytest
import soundfile as sf

from pipeline.base.errors import PipelineError
from pipeline.corpora.convert import convert_shard
from pipeline.corpora.scan import scan_noise, scan_speech

HISS = 0.1 * np.random.default_rng(0).standard_normal(16000)
NOISE, SPEECH = "wham_noise/tr/long.wav", "LibriSpeech/train-clean/1001/7/1001-7-0000.flac"


@pytest.fixture
def filled(corpus):
    return corpus.fill(speakers=3)


def scan(corpus, num_speakers=3):
    scan_speech(corpus.spoken, num_speakers, corpus.root / "scan/speech.csv")
    scan_noise(corpus.noises, corpus.root / "scan/noise.csv")


def convert(corpus):
    for kind in ("speech", "noise"):
        convert_shard(corpus.root / f"scan/{kind}.csv", corpus.root / kind, "1-of-1", 8000)


def take(corpus, *num_speakers):
    """The steps of a run on a corpus on disk."""
    scan(corpus, *num_speakers)
    convert(corpus)


def refused(corpus, *num_speakers):
    with pytest.raises(PipelineError) as error:
        take(corpus, *num_speakers)
    return str(error.value)


def write(samples, rate=16000, **options):
    return lambda path: sf.write(path, samples, rate, **options)


def without_length(path):
    """Write like an encoder that writes to a pipe."""
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])
    path.write_bytes(content)


def fetch(path, content):
    path.write_bytes(content)


def remove(path, content):
    path.unlink()


def encode(path, content):
    """Convert to WAV or FLAC, complete and with its length."""
    path.write_bytes(content)
    samples, rate = sf.read(path)
    sf.write(path, samples, rate)


def mend(path, content):
    """Replace samples that are not finite or beyond any level."""
    samples, rate = sf.read(path)
    sf.write(path, samples[np.abs(samples) < 1e6], rate, subtype="FLOAT")


def take_second_channel(path, content):
    samples, rate = sf.read(path)
    sf.write(path, samples[:, 1], rate)


FETCH = "fetch the file again or remove it"
LOUD = np.where(np.arange(16000) % 64 < 32, 3.3e38, -3.3e38)
FILES = {
    "cut WAV": (NOISE, lambda p: os.truncate(p, 9000), f"truncated, .* are there; {FETCH}"),
    "cut FLAC": (SPEECH, lambda p: os.truncate(p, 9000), f"cannot be read as audio .*; {FETCH}"),
    "empty": (NOISE, lambda p: os.truncate(p, 0), f"cannot be read as audio .*; {FETCH}"),
    "rate": (NOISE, write(HISS, 1), f"its header says 1 Hz, which no recording has; {FETCH}"),
    "no samples": (NOISE, write(HISS[:0]), f"holds no samples; {FETCH}"),
    "no length": (
        SPEECH,
        without_length,
        "its header gives no length; encode it again into a file",
    ),
    "format": (
        NOISE,
        write(HISS, format="VOC"),
        r"its format does not show .*; convert it to WAV or FLAC, or remove it",
    ),
    "NaN": (
        NOISE,
        write(np.append(HISS, np.nan), subtype="FLOAT"),
        "holds NaN or infinite samples; mend or remove the file",
    ),
    "loud": (
        NOISE,
        write(np.concatenate([HISS, LOUD]), subtype="FLOAT"),
        "holds samples beyond any level; mend or remove the file",
    ),
    "silent": (NOISE, write(0 * HISS), r"is silent \(.*\); remove it from the corpus"),
    "channel": (
        NOISE,
        write(np.stack([0 * HISS, HISS], axis=1)),
        "channel 1 is silent .*; replace the file with one of channel 2 alone, or remove it from"
        " the corpus",
    ),
}
CURES = {
    "fetch the file again": fetch,
    "remove": remove,
    "mend": mend,
    "encode it again": encode,
    "convert it to WAV": encode,
    "replace the file with one of channel 2": take_second_channel,
}
OFFERED = [(case, cure) for case in FILES for cure in CURES if cure in FILES[case][2]]


@pytest.mark.parametrize("case, cure", OFFERED)
def test_a_file_that_cannot_be_taken_is_once_its_line_is_followed(filled, case, cure):
    name, damage, line = FILES[case]
    path = filled.root / name
    content = path.read_bytes()
    damage(path)
    assert re.fullmatch(f"{path}: {line}", refused(filled))
    CURES[cure](path, content)
    take(filled)


@pytest.mark.parametrize("cure", ["put back", "run again"])
def test_a_file_that_goes_after_the_scan(filled, cure):
    scan(filled)
    path = filled.root / NOISE
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(PipelineError) as error:
        convert(filled)
    assert str(error.value) == (
        f"{path}: no such file; check the path, or run the same command again"
    )
    if cure == "put back":
        path.write_bytes(content)
        convert(filled)
    else:
        take(filled)  # a run scans again what has changed


@pytest.mark.parametrize("cure", ["move", "remove"])
def test_a_file_out_of_the_layout(filled, cure):
    stray = (filled.root / SPEECH).rename(filled.speech / "train-clean/1001-7-0000.flac")
    assert refused(filled).startswith(f"{stray}: not in LibriSpeech's layout <subset>/")
    if cure == "move":
        stray.rename(filled.root / SPEECH)
    else:
        stray.unlink()
    take(filled)


def test_folders_without_audio(filled):
    for file in filled.speech.glob("test-clean/*/*/*"):
        file.unlink()
    for file in filled.noise.glob("tt/*"):
        file.unlink()
    assert refused(filled) == (
        f"{filled.speech / 'test-clean'}: holds no audio; put recordings there, as"
        " <speaker>/<chapter>/<speaker>-<chapter>-<n>.flac"
    )
    for speaker in ("3001", "3002", "3003"):
        filled.speak("test", speaker)
    assert refused(filled) == (
        f"{filled.noise / 'tt'}: holds no audio; put at least one noise recording there"
    )
    filled.hiss("test", "rain")
    take(filled)


@pytest.mark.parametrize("cure", ["the folder", "corpora.local.subsets"])
def test_a_subset_that_is_not_there(filled, cure):
    folder, other = filled.speech / "dev-clean", filled.speech / "dev"
    folder.rename(other)
    assert refused(filled) == (
        f"{folder}: no such folder; check corpora.local.speech and corpora.local.subsets"
    )
    if cure == "the folder":
        other.rename(folder)
    else:
        filled.subsets = filled.subsets | {"dev": ["dev"]}
    take(filled)


def test_a_split_of_the_noise_that_is_not_there(filled):
    (filled.noise / "cv").rename(filled.noise / "dev")
    assert refused(filled) == (
        f"{filled.noise / 'cv'}: no such folder; corpora.local.noise must hold {{tr,cv,tt}}/*.wav"
    )
    (filled.noise / "dev").rename(filled.noise / "cv")
    take(filled)


@pytest.mark.parametrize("name", ["b" * 231, "a|b", "a\rb"])
def test_names_that_cannot_be_kept(filled, name):
    path = filled.hiss("train", name)
    assert re.fullmatch(
        r".*: (its|has a) .* (name|bytes); rename (them|that file.*)", refused(filled)
    )
    path.rename(path.with_name("renamed.wav"))
    take(filled)


@pytest.mark.parametrize("cure", ["rename", "remove"])
@pytest.mark.parametrize("kind", ["noise", "speech"])
def test_two_files_of_one_name(filled, kind, cure):
    if kind == "noise":
        other = filled.hiss("train", "street/rain")
        filled.hiss("train", "street_rain")
    else:
        other = filled.speak("train", "1001", 7)
        filled.speak("train", "1001", 7, suffix=".wav")
    message = refused(filled)
    assert str(other) in message and message.endswith("; rename or remove one of them")
    if cure == "remove":
        other.unlink()
    else:
        other.rename(other.with_stem("1001-7-0008"))
    take(filled)


@pytest.mark.parametrize("cure", ["subsets", "remove"])
def test_a_speaker_in_two_splits(filled, cure):
    (filled.speech / "dev-clean").rename(filled.speech / "dev-old")
    for speaker in ("2007", "2008", "2009"):
        filled.speak("dev", speaker)
    filled.subsets = filled.subsets | {"dev": ["dev-clean", "dev-old"]}
    twice = filled.speak("dev", "1001", 9)
    assert refused(filled) == (
        "corpora: speaker 1001 is in train and dev; a speaker may be in one split only: change"
        " corpora.local.subsets, or remove its folder from one of them"
    )
    if cure == "subsets":
        filled.subsets = filled.subsets | {"dev": ["dev-old"]}
    else:
        for file in twice.parent.iterdir():
            file.unlink()
    take(filled)


def test_a_fetched_subset_in_two_splits(filled):
    only = set(filled.speech.rglob("*.flac"))

    def scan_fetched():
        scan_speech(filled.spoken, 3, filled.root / "scan/speech.csv", only)

    right = filled.subsets
    filled.subsets = right | {"dev": right["train"]}
    with pytest.raises(PipelineError) as error:
        scan_fetched()
    assert str(error.value) == (
        "corpora: speaker 1001 is in train and dev; a speaker may be in one split only: change"
        " corpora.download.speech.subsets"
    )
    filled.subsets = right
    scan_fetched()


@pytest.mark.parametrize("cure", ["lower num_speakers", "add subsets"])
def test_too_few_speakers(filled, cure):
    assert refused(filled, 4) == (
        "corpora: split dev has 3 speakers, mixtures.num_speakers is 4; add subsets or lower"
        " num_speakers"
    )
    if cure == "lower num_speakers":
        take(filled, 3)
    else:
        for split, speaker in (("train", "1009"), ("dev", "2009"), ("test", "3009")):
            filled.speak(split, speaker)
            (filled.speech / f"{split}-clean/{speaker}").rename(filled.speech / speaker)
            (filled.speech / f"{split}-more").mkdir()
            (filled.speech / speaker).rename(filled.speech / f"{split}-more/{speaker}")
        filled.subsets = {s: [f"{s}-clean", f"{s}-more"] for s in filled.subsets}
        take(filled, 4)
