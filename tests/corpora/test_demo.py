import hashlib
import re
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from workspace import extras

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Counts, DemoCorpus
from pipeline.corpora import demo, espeak
from pipeline.corpora.demo import make_demo_corpus

ONE_EACH = {"train": 1, "dev": 1, "test": 1}
TINY = DemoCorpus(
    speakers=ONE_EACH,
    utterances_per_speaker=2,
    noises={"train": 2, "dev": 1, "test": 1},
    noise_seconds=1.5,
)


def hashes(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    make_demo_corpus(out, TINY, seed=3)
    return out


def flacs(corpus):
    return sorted((corpus / "LibriSpeech").rglob("*.flac"))


def test_speech_has_the_layout_of_librispeech(corpus):
    paths = [str(path.relative_to(corpus / "LibriSpeech")) for path in flacs(corpus)]
    pattern = r"(train|dev|test)-demo/(\d+)/(\d+)/\2-\3-\d{4}\.flac"
    assert len(paths) == 6
    assert all(re.fullmatch(pattern, path) for path in paths)


def test_every_file_has_its_transcript_in_capitals(corpus):
    for transcript in (corpus / "LibriSpeech").rglob("*.trans.txt"):
        lines = transcript.read_text().splitlines()
        stems = sorted(path.stem for path in transcript.parent.glob("*.flac"))
        assert [line.split(" ")[0] for line in lines] == stems
        assert all(re.fullmatch(r"\S+ [A-Z][A-Z' ]+[A-Z]", line) for line in lines)
        assert transcript.name == f"{stems[0].rsplit('-', 1)[0]}.trans.txt"


def test_speakers_are_disjoint_and_listed_as_in_librispeech(corpus):
    folders = {
        split: {path.name for path in (corpus / f"LibriSpeech/{split}-demo").iterdir()}
        for split in SPLITS
    }
    assert len(set.union(*folders.values())) == sum(map(len, folders.values())) == 3
    text = (corpus / "LibriSpeech/SPEAKERS.TXT").read_text()
    rows = [line.split("|") for line in text.splitlines() if not line.startswith(";")]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert {(row[0], row[2]) for row in cells} == {
        (speaker, f"{split}-demo") for split, names in folders.items() for speaker in names
    }
    assert all(len(row) == 5 and row[1] in "FM" and float(row[3]) > 0 for row in cells)


def test_speech_is_16_khz_mono_of_sane_length_and_level(corpus):
    for path in flacs(corpus):
        samples, rate = audio.read(path)
        assert rate == 16000 and audio.info(path).channels == 1
        assert 3.5 <= len(samples) / rate <= 8.0
        assert -36 < 20 * np.log10(samples.std()) < -18
        assert np.abs(samples).max() < 0.95
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        assert loud[0] / rate < 0.5 and (len(samples) - loud[-1]) / rate < 0.5


def test_noise_has_the_layout_of_wham(corpus):
    names = {
        folder: sorted(path.name for path in (corpus / "wham_noise" / folder).iterdir())
        for folder in ("tr", "cv", "tt")
    }
    assert names == {
        "tr": ["babble_000.wav", "broadband_003.wav"],
        "cv": ["babble_001.wav"],
        "tt": ["babble_002.wav"],
    }
    for path in (corpus / "wham_noise").rglob("*.wav"):
        assert audio.info(path) == (16000, 24000, 1)


def test_no_sound_occurs_twice(corpus):
    sounds = [digest for name, digest in hashes(corpus).items() if not name.endswith("txt")]
    assert len(set(sounds)) == len(sounds)


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(corpus, tmp_path):
    make_demo_corpus(tmp_path / "again", TINY, seed=3, workers=3)
    assert hashes(tmp_path / "again") == hashes(corpus)


def test_a_speaker_does_not_depend_on_how_many_there_are(corpus, tmp_path):
    more = TINY.model_copy(update={"speakers": Counts(train=2, dev=1, test=1)})
    make_demo_corpus(tmp_path, more, seed=3, workers=2)
    now, before = hashes(tmp_path), hashes(corpus)
    before.pop("LibriSpeech/SPEAKERS.TXT")
    assert before.items() <= now.items()


def test_another_seed_gives_other_speech():
    first, second = (demo._speaker(seed, "train", 0) for seed in (3, 4))
    assert first != second


def test_voices_sound_different():
    """The same words from two speakers differ by 1.5 dB in timbre or by a semitone in pitch."""
    speakers = [demo._speaker(0, split, index) for split in SPLITS for index in range(2)]
    spoken = [read_by(speaker) for speaker in speakers]
    timbres, pitches = [third_octaves(s) for s in spoken], [pitch_of(s) for s in spoken]
    for one, other in combinations(range(len(spoken)), 2):
        timbre = np.sqrt(np.mean((timbres[one] - timbres[other]) ** 2))
        semitones = abs(12 * np.log2(pitches[one] / pitches[other]))
        assert timbre > 1.5 or semitones > 1, (speakers[one], speakers[other])


def read_by(speaker):
    voice = (speaker.accent, speaker.variant, speaker.pitch, speaker.rate)
    lines = [espeak.Line(*voice, text) for text in espeak.sentences()[:2]]
    return np.concatenate(espeak.speak(lines, seed=1))


def pitch_of(samples):
    """Median over voiced frames of the strongest repetition between 55 and 400 Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::1024]
    repeats = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, : 16000 // 55]
    voiced = repeats[repeats[:, 0] > 0.1 * repeats[:, 0].max()]
    return np.median(16000 / (40 + voiced[:, 40:].argmax(axis=1)))


def third_octaves(samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 16000)
    edges = 100 * 2 ** (np.arange(19) / 3)
    bands = [power[(hertz >= a) & (hertz < b)].sum() for a, b in pairwise(edges)]
    decibels = 10 * np.log10(bands)
    return decibels - decibels.mean()


def test_all_possible_speakers_differ_and_share_no_variant_over_splits():
    speakers = {
        split: [demo._speaker(0, split, i) for i in range(demo._most_speakers(0, split))]
        for split in SPLITS
    }
    assert sum(map(len, speakers.values())) > 500
    variants = [{s.variant for s in group} for group in speakers.values()]
    assert sum(map(len, variants)) == len(set.union(*variants))
    for group in speakers.values():
        assert len({(s.variant, s.accent, nearest_pitch(s)) for s in group}) == len(group)
        assert len({s.identity for s in group}) == len(group)


def nearest_pitch(speaker):
    return min(demo.PITCHES, key=lambda pitch: abs(pitch - speaker.pitch))


def test_too_many_speakers_is_one_line_that_names_the_key(tmp_path):
    greedy = DemoCorpus(speakers={"train": 1, "dev": 900, "test": 1})
    with pytest.raises(PipelineError, match=r"corpora\.demo\.speakers\.dev: 900 .* at most"):
        make_demo_corpus(tmp_path, greedy, seed=0)
    assert not list(tmp_path.iterdir())


def test_as_many_speakers_as_its_line_says_can_be_made():
    def asked(most):
        return DemoCorpus(speakers=ONE_EACH | {"dev": most})

    with pytest.raises(PipelineError) as error:
        demo._check(asked(900), 0)
    assert str(error.value).endswith(" at most, or set corpora.kind to local")
    most = int(re.search(r"ask for (\d+) at most", str(error.value))[1])
    demo._check(asked(most), 0)
    with pytest.raises(PipelineError, match=rf"{most + 1} speakers, but only {most} distinct"):
        demo._check(asked(most + 1), 0)


def test_too_many_utterances_is_one_line_that_names_the_key(tmp_path):
    with pytest.raises(PipelineError, match=r"corpora\.demo\.utterances_per_speaker: 71"):
        make_demo_corpus(tmp_path, DemoCorpus(utterances_per_speaker=71), seed=0)
    with pytest.raises(PipelineError, match=r"; ask for 70 at most, and for more speakers to"):
        demo._check(DemoCorpus(utterances_per_speaker=71), 0)
    one = DemoCorpus(utterances_per_speaker=70, speakers=ONE_EACH)
    demo._check(one, 0)
    assert len(demo._read_aloud(demo._speaker(0, "train", 0), 70, 0)) == 70
    demo._check(one.model_copy(update={"speakers": Counts(**(ONE_EACH | {"train": 2}))}), 0)


def test_missing_loader_is_one_line_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(PipelineError) as error:
        make_demo_corpus(tmp_path, TINY, seed=0)
    assert str(error.value) == (
        "corpora.kind is demo: the package espeakng-loader is missing; pip install -e '.[demo]', or"
        " set corpora.kind to local"
    )
    assert "espeakng-loader" in extras()["demo"]
    monkeypatch.undo()  # as if it were installed
    assert espeak.loader()


def test_a_failing_synthesizer_is_one_line(monkeypatch):
    class Elsewhere:
        get_library_path = staticmethod(lambda: "/nowhere/libespeak-ng.so")
        get_data_path = staticmethod(lambda: "/tmp/espeak-ng-data")

    monkeypatch.setattr(espeak, "loader", lambda: Elsewhere)
    with pytest.raises(PipelineError, match=r"espeak-ng fails \(/nowhere.*reinstall"):
        espeak.speak([espeak.Line("en", "m1", 50, 170, "Nobody hears this.")], seed=1)
    monkeypatch.undo()  # as if it were installed again
    assert espeak.speak([espeak.Line("en", "m1", 50, 170, "Somebody hears this.")], seed=1)


def test_the_text_is_clean():
    lines = espeak.sentences()
    assert len(lines) >= 2 * demo.MOST_UTTERANCES + 8
    assert len(set(lines)) == len(lines)
    assert all(8 <= len(line.split()) <= 22 for line in lines)
    assert all(re.fullmatch(r"[A-Z][A-Za-z', ]+\.", line) for line in lines)
