"""Texts that come with corpora: any bytes are read, or refused in one line."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.corpora.scan import scan_speech
from pipeline.mixtures.librimix import read_metadata

HEAD = "mixture_ID,source_1_path,source_1_gain,source_2_path,source_2_gain,noise_path,noise_gain\n"
ROW = "m,train-clean/1001/7/1001-7-0000.flac,0.5,a/1002-7-0000.flac,1,tr/long.wav,0.1\n"
EDGES = [b"", b"\0", b"\r", b"\n", b'"', b",", b"|", b"nan", b"1e999", b"\xff", b"9" * 400, b"-"]
pieces = st.one_of(st.sampled_from(EDGES), st.binary(max_size=10))


@st.composite
def damaged(draw, content):
    """A valid text after a few changes, or any bytes."""
    if draw(st.booleans()):
        return draw(st.binary())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        end = draw(st.sampled_from([place, place + 1, place + 5, len(content)]))
        content = content[:place] + draw(pieces) + content[end:]
    return content


def one_line(error):
    assert len(str(error).splitlines()) == 1


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Manifests of two utterances and a noise that exist."""
    folder = tmp_path_factory.mktemp("scans")
    voices = [("1001-7-0000", "1001"), ("1002-7-0000", "1002")]
    for name in ["1001-7-0000", "1002-7-0000", "long"]:
        audio.write(folder / f"{name}.wav", np.full(160, 0.1), 16000)
    speech = [
        {"utterance": u, "speaker": s, "sex": "F", "path": folder / f"{u}.wav"} for u, s in voices
    ]
    write_manifest(folder / "speech.csv", pd.DataFrame(speech))
    noise = [{"noise": "long", "split": "train", "path": folder / "long.wav"}]
    write_manifest(folder / "noise.csv", pd.DataFrame(noise))
    return folder


@given(damaged((HEAD + ROW).encode()))
def test_any_metadata_is_a_plan_or_refused(scans, content):
    path = scans / "libri2mix_train.csv"
    path.write_bytes(content)
    try:
        read_metadata([path], scans / "speech.csv", scans / "noise.csv", 2, 8000, "min")
    except PipelineError as error:
        one_line(error)


@pytest.fixture
def filled(corpus):
    return corpus.fill(speakers=3, utterances=1, seconds=0.1)


@given(
    damaged(b"; readers\n1001 | F | train-clean | 25.03 | A | B\n1002 | M | dev | 1 | C\n"),
    damaged(b"1001-7-0000 SOME WORDS\n"),
)
def test_any_texts_beside_a_corpus_are_read_or_refused(filled, speakers, transcript):
    (filled.speech / "SPEAKERS.TXT").write_bytes(speakers)
    (filled.speech / "train-clean/1001/7/1001-7.trans.txt").write_bytes(transcript)
    try:
        scan_speech(filled.spoken, 3, filled.root / "speech.csv")
        assert len(read_manifest(filled.root / "speech.csv")) == 9
    except PipelineError as error:
        one_line(error)
