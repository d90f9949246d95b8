"""Read the texts beside recordings of speech: transcripts, and the list of speakers."""

import codecs
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.base.errors import PipelineError, first_few
from pipeline.corpora.names import composed

SPEAKERS = "SPEAKERS.TXT"  # beside the folders of the subsets
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_transcripts(files: Iterable[Path], needed: bool) -> dict[str, str]:
    """Read `*.trans.txt` files: a line has an utterance's name, a space or tab, and its words.

    Args:
        files: in their order; the last text of an utterance counts.
        needed: whether unreadable files are an error; otherwise they are left out with a warning.

    Returns:
        words by the `composed` name of the utterance.

    Raises:
        PipelineError: names the files that may not be read or are not UTF-8.
    """
    texts, problems = {}, []
    for file in files:
        try:
            lines = _text(file).splitlines()
        except PipelineError as error:
            problems.append(str(error))
            continue
        parts = (re.split("[ \t]+", line, maxsplit=1) for line in lines)
        texts.update({composed(key): "".join(words) for key, *words in parts})
    if problems and needed:
        raise PipelineError(first_few(problems))
    if problems:
        logging.warning("%d transcripts are left out: %s", len(problems), first_few(problems))
    return texts


def read_sexes(speakers: Path) -> dict[str, str]:
    """Read F or M by the `composed` name of the speaker from LibriSpeech's `SPEAKERS.TXT`.

    The result is empty without this file.

    Raises:
        PipelineError: it may not be read, or is UTF-16.
    """
    if not speakers.exists():
        return {}
    lines = _decoded(speakers, errors="replace").splitlines()  # names may be in any encoding
    fields = (line.split("|") for line in lines if line.strip() and not line.startswith(";"))
    return {composed(field[0].strip()): field[1].strip() for field in fields if len(field) > 1}


def _text(file: Path) -> str:
    try:
        return _decoded(file, errors="strict")
    except UnicodeDecodeError as error:
        raise PipelineError(f"{file}: is not UTF-8 text; save it as UTF-8") from error


def _decoded(file: Path, errors: str) -> str:
    try:
        content = file.read_bytes()
    except PermissionError as error:
        raise PipelineError(f"{file}: may not be read; check its permissions") from error
    if content.startswith(UTF_16):
        raise PipelineError(f"{file}: is UTF-16 text; save it as UTF-8")
    return content.decode("utf-8-sig", errors)
