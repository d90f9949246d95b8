"""The recogniser in the explanation of the numbers."""

import pytest

from pipeline.report.sections.method import recogniser


@pytest.mark.parametrize(
    "asr, words",
    [
        (None, ""),
        (
            {"engine": "pocketsphinx"},
            "pocketsphinx, against what it recognises in the clean source",
        ),
        (
            {"engine": "faster_whisper", "reference": "transcript"},
            "Whisper, tiny.en, against the transcripts of the corpus",
        ),
        (
            {"engine": "faster_whisper", "model": "/models/small"},
            "Whisper, /models/small, against what it recognises in the clean source",
        ),
    ],
)
def test_the_recogniser_and_its_texts_are_named(asr, words):
    assert recogniser(asr) == words
