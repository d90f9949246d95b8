"""Find every file of the corpora and refuse what cannot work, before anything is computed."""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.config import SPLITS, Split
from pipeline.corpora.roots import NOISE_FOLDERS
from pipeline.errors import PipelineError, first_few
from pipeline.files import write_manifest

AUDIO_SUFFIXES = {".flac", ".wav"}


def scan_speech(
    root: Path, subsets: dict[Split, list[str]], num_speakers: int, out: Path, workers: int = 4
) -> None:
    """List the utterances of a corpus in LibriSpeech's layout, one row a file.

    Columns: utterance, speaker, sex, split, subset, transcript, path.

    Raises:
        PipelineError: missing folders, wrong layout, unreadable or empty files, a speaker in
            two splits, or fewer speakers than a mixture needs.
    """
    sexes = _sexes(root / "SPEAKERS.TXT")
    rows = [
        row | {"split": split, "sex": sexes.get(str(row["speaker"]))}
        for split in SPLITS
        for subset in subsets[split]
        for row in _utterances(root, subset)
    ]
    table = pd.DataFrame(rows)
    _check_speakers(table, num_speakers)
    _check_unique(table, ["utterance"])
    _check_headers(table["path"], workers)
    _log_counts(table, "utterance")
    write_manifest(out, table)


def scan_noise(root: Path, out: Path, workers: int = 4) -> None:
    """List the recordings of noise in WHAM!'s layout `{tr,cv,tt}/*.wav`, one row a file.

    Columns: noise, split, path.

    Raises:
        PipelineError: a missing or empty split, unreadable or empty files.
    """
    rows = [
        {"noise": path.stem, "split": split, "path": path}
        for split in SPLITS
        for path in _noises(root, NOISE_FOLDERS[split])
    ]
    table = pd.DataFrame(rows)
    _check_unique(table, ["split", "noise"])
    _check_headers(table["path"], workers)
    _log_counts(table, "noise")
    write_manifest(out, table)


def _utterances(root: Path, subset: str) -> list[dict[str, object]]:
    folder = root / subset
    if not folder.is_dir():
        raise PipelineError(
            f"{folder}: no such folder; check corpora.local.speech and corpora.local.subsets"
        )
    paths = _audio_files(_files_below(folder))
    if not paths:
        raise PipelineError(
            f"{folder}: holds no audio; expected <speaker>/<chapter>/<speaker>-<chapter>-<n>.flac"
        )
    transcripts = _transcripts(folder)
    return [_utterance(path, folder, transcripts) for path in paths]


def _utterance(path: Path, folder: Path, transcripts: dict[str, str]) -> dict[str, object]:
    parts = path.relative_to(folder).parts
    if len(parts) != 3 or not path.stem.startswith(f"{parts[0]}-{parts[1]}-"):
        raise PipelineError(
            f"{path}: not in LibriSpeech's layout"
            " <subset>/<speaker>/<chapter>/<speaker>-<chapter>-<n>.flac; move or remove it"
        )
    return {
        "utterance": path.stem,
        "speaker": parts[0],
        "subset": folder.name,
        "transcript": transcripts.get(path.stem),
        "path": path,
    }


def _transcripts(folder: Path) -> dict[str, str]:
    lines = (
        line
        for file in sorted(_files_below(folder))
        if file.name.endswith(".trans.txt")
        for line in _text(file).splitlines()
    )
    return {key: text for key, _, text in (line.partition(" ") for line in lines)}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PipelineError(f"{file}: is not UTF-8 text; save it as UTF-8") from error


def _sexes(speakers: Path) -> dict[str, str]:
    """Reader id to F or M, from LibriSpeech's `SPEAKERS.TXT` where there is one."""
    if not speakers.exists():
        return {}
    lines = speakers.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = (line.split("|") for line in lines if line.strip() and not line.startswith(";"))
    return {field[0].strip(): field[1].strip() for field in fields if len(field) > 1}


def _noises(root: Path, name: str) -> list[Path]:
    folder = root / name
    if not folder.is_dir():
        raise PipelineError(
            f"{folder}: no such folder; corpora.local.noise must hold {{tr,cv,tt}}/*.wav"
        )
    paths = _audio_files(folder.iterdir())
    if not paths:
        raise PipelineError(f"{folder}: holds no audio; put at least one noise recording there")
    return paths


def _files_below(folder: Path) -> Iterator[Path]:
    """All files at any depth; a speaker's folder may be a link to where it really lies."""
    for where, _, names in os.walk(folder, followlinks=True):
        yield from (Path(where, name) for name in names)


def _audio_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() in AUDIO_SUFFIXES)


def _check_unique(table: pd.DataFrame, columns: list[str]) -> None:
    double = table[table.duplicated(columns, keep=False)].sort_values(columns)
    if len(double):
        first, second = double["path"].iloc[:2]
        raise PipelineError(f"{second}: has the name of {first}; rename or remove one of them")


def _check_speakers(table: pd.DataFrame, num_speakers: int) -> None:
    splits = table.groupby("speaker")["split"].unique()
    shared = splits[splits.map(len) > 1]
    if len(shared):
        raise PipelineError(
            f"corpora: speaker {shared.index[0]} is in {' and '.join(shared.iloc[0])};"
            " a speaker may be in one split only: change corpora.local.subsets"
        )
    for split, count in table.groupby("split")["speaker"].nunique().items():
        if count < num_speakers:
            raise PipelineError(
                f"corpora: split {split} has {count} speakers, mixtures.num_speakers is"
                f" {num_speakers}; add subsets or lower num_speakers"
            )


def _check_headers(paths: pd.Series, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        causes = pool.map(_header_problem, paths)
        problems = [c for c in tqdm(causes, "reading headers", len(paths), disable=None) if c]
    if problems:
        raise PipelineError(first_few(problems))


def _header_problem(path: Path) -> str | None:
    try:
        audio.info(path)
    except PipelineError as error:
        return str(error)
    return None


def _log_counts(table: pd.DataFrame, what: str) -> None:
    for split, rows in table.groupby("split"):
        speakers = f" of {rows['speaker'].nunique()} speakers" if "speaker" in rows else ""
        logging.info("%s: %d %s files%s", split, len(rows), what, speakers)
