"""The texts that the speakers of a mixture say, with which recognised speech is compared."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, shard_of, write_manifest
from pipeline.evaluation.hearing import hear
from pipeline.evaluation.speech_recognition import open_recogniser
from pipeline.mixtures.names import sources_of

COLUMNS = ["mixture_id", "source", "text"]

Row = dict[str, Any]
Texts = Iterator[tuple[str, str, str]]
"""Mixture, source and text of each row."""


def write_references(
    mixtures: Path,
    out: Path,
    scatteritem: str,
    sample_rate: int,
    recogniser: Mapping[str, Any],
    speech: Path | None = None,
) -> None:
    """Write the text of every source of a shard: `mixture_id, source, text`.

    Args:
        mixtures: `mixtures.csv` of the test split.
        out: the table to write.
        scatteritem: the shard, `"k-of-n"`.
        sample_rate: Hz.
        recogniser: that of the clean sources, the arguments of `open_recogniser`.
        speech: the manifest of the corpus with its transcripts, if these are the texts.

    Raises:
        PipelineError: an utterance has no transcript, or a source cannot be read.
    """
    rows = shard_of(read_manifest(mixtures), scatteritem).to_dict("records")
    texts = _transcribed(rows, speech) if speech else _recognised(rows, sample_rate, recogniser)
    write_manifest(out, pd.DataFrame(texts, columns=COLUMNS))


def read_references(path: Path) -> dict[str, dict[str, str]]:
    """Return the texts that `write_references` wrote, by mixture and then by source."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)  # "nan" and "007" are words
    texts: dict[str, dict[str, str]] = {}
    for mixture, source, text in table[COLUMNS].itertuples(index=False):
        texts.setdefault(mixture, {})[source] = text
    return texts


def _recognised(mixtures: list[Row], sample_rate: int, recogniser: Mapping[str, Any]) -> Texts:
    recognise = open_recogniser(**recogniser)
    for mixture in tqdm(mixtures, "recognising clean sources", disable=None):
        for source in sources_of(mixture):
            samples = hear(mixture[f"{source}_path"], sample_rate)
            yield mixture["mixture_id"], source, "" if samples is None else recognise(samples)


def _transcribed(mixtures: list[Row], speech: Path) -> Texts:
    transcripts = read_manifest(speech).set_index("utterance")["transcript"].dropna()
    for mixture in mixtures:
        for number, source in enumerate(sources_of(mixture), 1):
            utterance = mixture[f"source_{number}_utterance"]
            if utterance not in transcripts:
                raise PipelineError(
                    f"{speech}: test utterance {utterance} has no transcript; add it to its"
                    " chapter's .trans.txt, or set evaluation.asr.reference to recognised"
                )
            yield mixture["mixture_id"], source, str(transcripts[utterance])
