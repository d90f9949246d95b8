"""Recognisers on real speech, the reference texts, and the measure of word errors."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from served import GENUINE

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.evaluation import measures, references
from pipeline.evaluation.hearing import at_level
from pipeline.evaluation.references import read_references, write_references
from pipeline.evaluation.speech_recognition import open_recogniser
from pipeline.evaluation.word_errors import error_rates
from pipeline.models.whisper import NEEDED, TINY_EN

pytestmark = pytest.mark.slow  # whole recordings are recognised

RATE = 16_000
POCKETSPHINX = {"engine": "pocketsphinx"}
WHISPER = {"engine": "faster_whisper"}
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
    return at_level(speech + 2 * at_level(noise))


@pytest.fixture(scope="module", params=[POCKETSPHINX, WHISPER], ids=lambda given: given["engine"])
def opened(request):
    """A recogniser, and how it was opened."""
    if request.param == WHISPER and TINY_EN.missing:
        pytest.skip(TINY_EN.missing)
    return open_recogniser(**request.param), request.param


@pytest.fixture
def recognise(opened):
    return opened[0]


def test_clean_speech_is_recognised_better_than_noisy(recognise, speech, noisy):
    clean = recognise(speech)
    assert error_rates(clean, clean) == {"wer": 0, "cer": 0}
    assert error_rates(SAID, clean)["wer"] < error_rates(SAID, recognise(noisy))["wer"]


def test_recognition_does_not_depend_on_earlier_recordings(opened, speech, noisy):
    recognise, given = opened
    first = recognise(speech)
    recognise(noisy)
    assert recognise(speech) == first == open_recogniser(**given)(speech)


def test_without_speech_there_is_no_text(recognise):
    assert recognise(np.zeros(10, np.float32)) == ""


@pytest.fixture(scope="module")
def whisper():
    if TINY_EN.missing:
        pytest.skip(TINY_EN.missing)
    return open_recogniser(**WHISPER)


def test_the_packaged_model_recognises_clean_speech(whisper, speech):
    assert error_rates(SAID, whisper(speech)) == {"wer": 0, "cer": 0}


def test_whisper_invents_no_words_in_noise_and_hum(whisper):
    time = np.arange(5 * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    for samples in (np.zeros(len(time)), noise, np.sin(2 * np.pi * 100 * time)):
        loud = at_level(samples.astype(np.float32)) if samples.any() else samples
        assert whisper(np.asarray(loud, np.float32)) == ""


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """A folder of weights, and the calls of a Whisper that repeats itself unless it may not."""
    made = []

    class WhisperModel:
        def __init__(self, *given, **options):
            made.append((given, options))

        def transcribe(self, samples, **options):
            made.append((len(samples), options))
            loops = len(samples) == 20 and "no_repeat_ngram_size" not in options
            texts = [" Hello, ", " you." + loops * " you." * 9]
            ratios = [1.0, 2.4 + loops]
            pairs = zip(texts, ratios, strict=True)
            return (SimpleNamespace(text=t, compression_ratio=r) for t, r in pairs), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=WhisperModel))
    for name in NEEDED:
        (tmp_path / name).touch()
    return made


def test_faster_whisper_reads_a_folder_of_weights(calls, tmp_path):
    (tmp_path / "tokenizer.json").rename(tmp_path / "away")
    with pytest.raises(PipelineError, match=r"has no tokenizer\.json"):  # before one is fetched
        open_recogniser("faster_whisper", str(tmp_path))
    (tmp_path / "away").rename(tmp_path / "tokenizer.json")
    recognise = open_recogniser("faster_whisper", str(tmp_path))
    assert recognise(np.zeros(10, np.float32)) == "Hello, you."
    (given, options), (length, used) = calls
    assert given == (str(tmp_path),) and options["local_files_only"]
    assert (options["device"], options["cpu_threads"]) == ("cpu", 1)
    assert length == 10 and (used["language"], used["vad_filter"]) == ("en", True)


def test_a_text_that_repeats_itself_is_recognised_again(calls, tmp_path):
    recognise = open_recogniser("faster_whisper", str(tmp_path))
    assert recognise(np.zeros(20, np.float32)) == "Hello, you."
    _, (_, first), (_, second) = calls
    assert second == first | {"no_repeat_ngram_size": 3}


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
    monkeypatch.setattr(references, "open_recogniser", lambda engine: lambda samples: "nan")
    write_references(mixtures, tmp_path / "out.csv", "1-of-1", 8000, POCKETSPHINX)
    found = read_references(tmp_path / "out.csv")
    assert found == {
        "m0": {"s1": "nan", "s2": "nan"},
        "m1": {"s1": "nan", "s2": ""},  # silent
    }


def test_reference_texts_are_the_transcripts(mixtures, tmp_path):
    texts = {"0-1": "A", "0-2": "B", "1-1": "C", "1-2": "007"}
    speech = write_speech(tmp_path / "speech.csv", texts)
    write_references(mixtures, tmp_path / "out.csv", "2-of-2", 8000, POCKETSPHINX, speech)
    assert read_references(tmp_path / "out.csv") == {"m1": {"s1": "C", "s2": "007"}}


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
    assert len(read_references(out)) == 2
    texts = {"0-1": "A", "0-2": "B", "1-1": "C", "1-2": "D"}
    write_references(mixtures, out, "1-of-1", 8000, POCKETSPHINX, write_speech(speech, texts))
    assert len(read_references(out)) == 2


@pytest.fixture
def measure(mixtures, tmp_path, monkeypatch):
    """`measure(sources, files, texts)`: scores by source and metric; and the number of texts.

    What is recognised in a file is its name without its ending.
    """
    recognised = []

    def scores(sources, files, texts):
        rows = [("m0", source, text) for source, text in texts.items()]
        table = pd.DataFrame(rows, columns=["mixture_id", "source", "text"])
        write_manifest(tmp_path / "texts.csv", table)
        monkeypatch.setattr(measures, "hear", lambda file, rate: None if "_" in file else file)
        monkeypatch.setattr(
            measures,
            "open_recogniser",
            lambda engine, model: lambda file: recognised.append(file) or file.removesuffix(".wav"),
        )
        run = measures.open_measure(
            "asr", 8000, references=tmp_path / "texts.csv", engine="pocketsphinx", model=None
        )
        signals = np.zeros((len(sources), 800))
        item = measures.Item("m0", sources, signals, signals, files, signals, signals[0])
        return {(score.source, score.metric): score for score in run(item)}

    return scores, recognised


def test_each_speaker_is_scored_and_all_together(measure):
    scores, recognised = measure
    texts = {"s1": "one two", "s2": ""}
    found = scores(["s1", "s2"], ["one.wav", "none.wav"], texts)
    assert list(found) == [
        *(("s1", "wer"), ("s1", "cer"), ("s2", "wer"), ("s2", "cer"), ("mix_clean", "cpwer"))
    ]
    assert found["s1", "wer"].value == 50
    assert found["s2", "wer"].undefined == "the reference text is empty"
    assert np.isnan(found["s2", "cer"].value)
    assert found["mix_clean", "cpwer"].value == 100  # "two" is missed, "none" is too much
    assert recognised == ["one.wav", "none.wav"]
    nothing = scores(["s1", "s2"], ["one.wav", "two.wav"], {"s1": "", "s2": ""})
    assert nothing["mix_clean", "cpwer"].undefined == "the reference text is empty"


def test_cpwer_chooses_the_order_by_words(measure):
    scores, _ = measure
    found = scores(["s1", "s2"], ["two.wav", "one.wav"], {"s1": "one", "s2": "two"})
    assert found["s1", "wer"].value == 100 and found["mix_clean", "cpwer"].value == 0


def test_a_silent_estimate_has_no_words(measure):
    scores, recognised = measure
    found = scores(["s1", "s2"], ["_.wav", "two.wav"], {"s1": "one", "s2": "two"})
    assert found["s1", "wer"].value == found["s1", "cer"].value == 100
    assert found["mix_clean", "cpwer"].value == 50
    assert recognised == ["two.wav"]


def test_the_mixture_is_one_stream_of_words(measure):
    scores, recognised = measure
    texts = {"s1": "one", "s2": "two"}
    separated = scores(["s1", "s2"], ["one and on.wav"] * 2, texts)
    assert recognised == ["one and on.wav"]
    assert separated["mix_clean", "cpwer"].value == 150  # two inserted, one missed
    denoised = scores(["mix_clean"], ["one and on.wav"], texts)
    assert {key: score.value for key, score in denoised.items()} == {
        key: score.value for key, score in separated.items()
    }
    assert denoised["s2", "wer"].value == 300
