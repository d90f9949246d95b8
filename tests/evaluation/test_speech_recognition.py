"""Recognisers on real speech, error rates, and the reference texts."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from served import GENUINE

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.config import SpeechRecognition
from pipeline.evaluation import measures, references
from pipeline.evaluation.hearing import at_level
from pipeline.evaluation.references import read_references, write_references
from pipeline.evaluation.speech_recognition import error_rates, open_recogniser

pytestmark = pytest.mark.slow  # whole recordings are recognised

RATE = 16_000
POCKETSPHINX = SpeechRecognition(engine="pocketsphinx")
SAID = "YOU DIDN'T WANT TO COME"


@pytest.fixture(scope="module")
def speech():
    if not GENUINE.exists():
        pytest.skip("no recordings at hand")
    folder = GENUINE / "LibriSpeech/mini-test/3005/163389"
    return at_level(audio.read(folder / "3005-163389-0007.flac")[0])


@pytest.fixture(scope="module")
def noisy(speech):
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    return at_level(speech + 0.5 * at_level(noise))


@pytest.fixture(scope="module")
def recognise():
    return open_recogniser(POCKETSPHINX)


def test_clean_speech_is_recognised_better_than_noisy(recognise, speech, noisy):
    clean = recognise(speech)
    assert error_rates(clean, clean) == {"wer": 0, "cer": 0}
    assert error_rates(SAID, clean)["wer"] < error_rates(SAID, recognise(noisy))["wer"]


def test_recognition_does_not_depend_on_earlier_recordings(recognise, speech, noisy):
    first = recognise(speech)
    recognise(noisy)
    assert recognise(speech) == first == open_recogniser(POCKETSPHINX)(speech)


def test_without_speech_there_is_no_text(recognise):
    assert recognise(np.zeros(10, np.float32)) == ""


def test_error_rates_by_hand():
    assert error_rates("a b c d", "a x c") == pytest.approx({"wer": 50, "cer": 300 / 7})
    assert error_rates("YOU DIDN'T, come!", " you didn't  come") == {"wer": 0, "cer": 0}
    assert error_rates("come", "") == {"wer": 100, "cer": 100}
    assert error_rates("go", "go on and on")["wer"] == 300
    assert error_rates(" .", "go") is None


def test_faster_whisper_reads_a_folder_of_weights(monkeypatch, tmp_path):
    calls = []

    class WhisperModel:
        def __init__(self, *given, **options):
            calls.append((given, options))

        def transcribe(self, samples, **options):
            calls.append((len(samples), options["language"]))
            return iter([SimpleNamespace(text=" Hello, "), SimpleNamespace(text=" you.")]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=WhisperModel))
    settings = SpeechRecognition(engine="faster_whisper", model=str(tmp_path))
    assert open_recogniser(settings)(np.zeros(10, np.float32)) == "Hello, you."
    (given, options), used = calls
    assert given == (str(tmp_path),)
    assert (options["device"], options["cpu_threads"]) == ("cpu", 1)
    assert used == (10, "en")


@pytest.fixture
def mixtures(tmp_path):
    """Two mixtures of two speakers; one source is silent. Each file contains its own number."""
    rows = []
    for m in range(2):
        row = {"mixture_id": f"m{m}", "length": 800}
        for k in (1, 2):
            path = tmp_path / f"m{m}s{k}.wav"
            audio.write(path, np.full(800, 0.0, np.float32), 8000)
            audio.write(path, (m or k) * np.eye(1, 800, dtype=np.float32)[0] * (m + k < 3), 8000)
            row |= {f"s{k}_path": str(path), f"source_{k}_utterance": f"{m}-{k}"}
        rows.append(row)
    write_manifest(tmp_path / "mixtures.csv", pd.DataFrame(rows))
    return tmp_path / "mixtures.csv"


def write_speech(path, texts):
    table = pd.DataFrame(texts.items(), columns=["utterance", "transcript"])
    write_manifest(path, table)
    return path


def test_reference_texts_are_recognised_in_the_clean_sources(mixtures, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "open_recogniser", lambda _: lambda samples: "nan")
    write_references(mixtures, tmp_path / "out.csv", "1-of-1", 8000, POCKETSPHINX)
    found = read_references(tmp_path / "out.csv")
    assert found == {
        ("m0", "s1"): "nan",
        ("m0", "s2"): "nan",
        ("m1", "s1"): "nan",
        ("m1", "s2"): "",  # silent
    }


def test_reference_texts_are_the_transcripts(mixtures, tmp_path):
    texts = {"0-1": "A", "0-2": "B", "1-1": "C", "1-2": "007"}
    speech = write_speech(tmp_path / "speech.csv", texts)
    write_references(mixtures, tmp_path / "out.csv", "2-of-2", 8000, POCKETSPHINX, speech)
    assert read_references(tmp_path / "out.csv") == {("m1", "s1"): "C", ("m1", "s2"): "007"}


def test_the_first_utterance_without_a_transcript_is_named(mixtures, tmp_path):
    speech = write_speech(tmp_path / "speech.csv", {"0-1": "A", "0-2": None, "1-1": "C"})
    out = tmp_path / "out.csv"
    with pytest.raises(PipelineError) as error:
        write_references(mixtures, out, "1-of-1", 8000, POCKETSPHINX, speech)
    assert str(error.value) == (
        f"{speech}: test utterance 0-2 has no transcript; add it to its chapter's .trans.txt, or"
        " set evaluation.asr.reference to recognised"
    )
    write_references(mixtures, out, "1-of-1", 8000, POCKETSPHINX)  # recognised
    assert len(read_references(out)) == 4
    texts = {"0-1": "A", "0-2": "B", "1-1": "C", "1-2": "D"}
    write_references(mixtures, out, "1-of-1", 8000, POCKETSPHINX, write_speech(speech, texts))
    assert len(read_references(out)) == 4


def test_measure_scores_each_speaker_against_their_text(mixtures, tmp_path, monkeypatch):
    texts = pd.DataFrame(
        [("m0", "s1", "one two"), ("m0", "s2", "")], columns=["mixture_id", "source", "text"]
    )
    write_manifest(tmp_path / "texts.csv", texts)
    recognised = []
    monkeypatch.setattr(
        measures, "open_recogniser", lambda _: lambda samples: recognised.append(samples) or "one"
    )
    measure = measures.open_measure(
        "asr", 8000, references=tmp_path / "texts.csv", engine="pocketsphinx", model=None
    )
    file = str(tmp_path / "m0s1.wav")
    signals = np.zeros((2, 800))
    scores = list(
        measure(
            measures.Item("m0", ["s1", "s2"], signals, signals, [file, file], signals, signals[0])
        )
    )
    assert [(s.source, s.metric) for s in scores] == [
        *(("s1", "wer"), ("s1", "cer"), ("s2", "wer"), ("s2", "cer"))
    ]
    assert scores[0].value == 50
    assert scores[2].undefined == scores[3].undefined == "the reference text is empty"
    assert np.isnan(scores[2].value)
    assert len(recognised) == 1
    silent = measures.Item(
        "m0", ["s1"], signals, signals, [str(tmp_path / "m1s2.wav")], signals, signals[0]
    )
    assert [s.value for s in measure(silent)] == [100, 100]  # silence is not recognised
