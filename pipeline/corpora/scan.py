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
from pipeline.corpora.roots import AUDIO_SUFFIXES, NOISE_FOLDERS
from pipeline.errors import PipelineError, first_few
from pipeline.files import read_manifest, write_manifest


def scan_speech(
    folders: dict[Split, list[Path]],
    num_speakers: int,
    out: Path,
    only: set[Path] | None = None,
    workers: int = 4,
) -> None:
    """List the utterances of a corpus in LibriSpeech's layout, one row a file.

    Columns: utterance, speaker, sex, split, subset, transcript, path.

    Args:
        folders: of the subsets of each split, `SPEAKERS.TXT` beside them where there is one.
        num_speakers: the fewest that a split may have.
        out: the manifest to write.
        only: files to list, as `fetched_files` gives them; others in the folders are not
            looked at. None lists all.
        workers: threads that read headers.

    Raises:
        PipelineError: missing folders, wrong layout, unreadable or empty files, a speaker in
            two splits, or fewer speakers than a mixture needs.
    """
    rows = [
        row | {"split": split}
        for split in SPLITS
        for folder in folders[split]
        for row in _utterances(folder, only)
    ]
    table = pd.DataFrame(rows)
    _check_speakers(table, num_speakers)
    _check_unique(table, ["utterance"])
    _check_headers(table["path"], workers)
    _log_counts(table, "utterance")
    write_manifest(out, table)


def scan_noise(root: Path, out: Path, only: set[Path] | None = None, workers: int = 4) -> None:
    """List the recordings of noise in WHAM!'s layout `{tr,cv,tt}/*.wav`, one row a file.

    Columns: noise, split, path. `only` is as in `scan_speech`.

    Raises:
        PipelineError: a missing or empty split, unreadable or empty files.
    """
    rows = [
        {"noise": path.stem, "split": split, "path": path}
        for split in SPLITS
        for path in _noises(root, NOISE_FOLDERS[split], only)
    ]
    table = pd.DataFrame(rows)
    _check_unique(table, ["split", "noise"])
    _check_headers(table["path"], workers)
    _log_counts(table, "noise")
    write_manifest(out, table)


def fetched_files(parts: Iterable[Path]) -> set[Path]:
    """The files that the lists of fetched parts name, `only` of a scan.

    Raises:
        PipelineError: one of them has vanished.
    """
    paths = {Path(path) for part in parts for path in read_manifest(part)["path"]}
    gone = sorted(path for path in paths if not path.exists())
    if gone:
        raise PipelineError(
            f"{gone[0]}: was fetched and has vanished, {len(gone)} files in all;"
            " fetch again with snakemake --forcerun download"
        )
    return paths


def _utterances(folder: Path, only: set[Path] | None) -> list[dict[str, object]]:
    if not folder.is_dir():
        raise PipelineError(
            f"{folder}: no such folder; check corpora.local.speech and corpora.local.subsets"
        )
    paths = _listed(_audio_files(_files_below(folder)), only)
    if not paths:
        raise PipelineError(
            f"{folder}: holds no audio; expected <speaker>/<chapter>/<speaker>-<chapter>-<n>.flac"
        )
    transcripts, sexes = _transcripts(folder), _sexes(folder.parent / "SPEAKERS.TXT")
    return [_utterance(path, folder, transcripts, sexes) for path in paths]


def _utterance(
    path: Path, folder: Path, transcripts: dict[str, str], sexes: dict[str, str]
) -> dict[str, object]:
    parts = path.relative_to(folder).parts
    if len(parts) != 3 or not path.stem.startswith(f"{parts[0]}-{parts[1]}-"):
        raise PipelineError(
            f"{path}: not in LibriSpeech's layout"
            " <subset>/<speaker>/<chapter>/<speaker>-<chapter>-<n>.flac; move or remove it"
        )
    return {
        "utterance": path.stem,
        "speaker": parts[0],
        "sex": sexes.get(parts[0]),
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


def _noises(root: Path, name: str, only: set[Path] | None) -> list[Path]:
    folder = root / name
    if not folder.is_dir():
        raise PipelineError(
            f"{folder}: no such folder; corpora.local.noise must hold {{tr,cv,tt}}/*.wav"
        )
    paths = _listed(_audio_files(folder.iterdir()), only)
    if not paths:
        raise PipelineError(f"{folder}: holds no audio; put at least one noise recording there")
    return paths


def _files_below(folder: Path) -> Iterator[Path]:
    """All files at any depth; a speaker's folder may be a link to where it really lies."""
    for where, _, names in os.walk(folder, followlinks=True):
        yield from (Path(where, name) for name in names)


def _audio_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() in AUDIO_SUFFIXES)


def _listed(paths: list[Path], only: set[Path] | None) -> list[Path]:
    """Those that `only` names, as `read_manifest` does: links of folders resolved."""
    if only is None:
        return paths
    folders = {folder: folder.resolve() for folder in {path.parent for path in paths}}
    return [path for path in paths if folders[path.parent] / path.name in only]


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
