"""Find every file of the corpora and refuse what cannot work, before anything is computed."""

import logging
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.base.errors import PipelineError, first_few
from pipeline.base.files import read_manifest, write_manifest
from pipeline.corpora.apart import root_labels, tell_apart
from pipeline.corpora.copies import find_copies
from pipeline.corpora.listing import Found, Listing, list_corpus
from pipeline.corpora.names import composed, noise_name
from pipeline.corpora.roots import Subsets, roots_of
from pipeline.corpora.texts import SPEAKERS, read_sexes, read_transcripts

LONGEST_NAME = 230  # bytes of a noise's, to which an ending is added


def scan_speech(
    subsets: Subsets,
    num_speakers: int,
    out: Path,
    only: set[Path] | None = None,
    workers: int = 4,
    need_transcripts: bool = False,
) -> None:
    """List the utterances of a corpus in LibriSpeech's layout, one row a file.

    Columns: utterance, speaker, sex, split, subset, transcript, path. Utterances and speakers of
    one name in several roots are told apart by their root (`tell_apart`).

    Args:
        subsets: of each split, `SPEAKERS.TXT` beside their folders where there is one.
        num_speakers: the fewest that a split may have.
        out: the manifest to write.
        only: files to list, as `fetched_files` gives them; others in the folders are not
            looked at. None lists all.
        workers: threads that read files.
        need_transcripts: whether a transcript that cannot be read is an error.

    Raises:
        PipelineError: missing folders, wrong layout, unreadable or empty files, a speaker or a
            recording in two splits, or fewer speakers than a mixture needs.
    """
    found, labels = list_corpus(subsets, "speech"), root_labels(roots_of(subsets))
    _log_left_out([one.files for one in found], only)
    rows = [
        row | {"split": one.split, "root": labels[one.subset.root]}
        for one in found
        for row in _utterances(one, only, need_transcripts)
    ]
    table = pd.DataFrame(rows)
    _check_once(table, "utterance")
    table = tell_apart(tell_apart(table, "speaker"), "utterance").drop(columns="root")
    _check_speakers(table, num_speakers, fetched=only is not None)
    _check_unique(table, ["utterance"])
    _check_headers(table["path"], workers)
    _check_copies(table, "utterance", workers, refuse=only is None)
    _log_counts(table, "utterance")
    write_manifest(out, table)


def scan_noise(
    subsets: Subsets, out: Path, only: set[Path] | None = None, workers: int = 4
) -> None:
    """List the recordings of noise in WHAM!'s layout `{tr,cv,tt}/*.wav`, one row a file.

    Columns: noise, split, path. A recording in a folder below has that folder in its name; those
    of one name in several roots are told apart by their root (`tell_apart`). Arguments are as in
    `scan_speech`.

    Raises:
        PipelineError: a missing or empty split, unreadable or empty files, or a recording in two
            splits.
    """
    found, labels = list_corpus(subsets, "noise"), root_labels(roots_of(subsets))
    _log_left_out([one.files for one in found], only)
    rows = [
        {"noise": noise_name(path.relative_to(one.subset.folder)), "split": one.split}
        | {"path": path, "root": labels[one.subset.root]}
        for one in found
        for path in _noises(one, only)
    ]
    table = pd.DataFrame(rows)
    _check_once(table, "noise")
    table = tell_apart(table, "noise").drop(columns="root")
    _check_lengths(table)
    _check_unique(table, ["split", "noise"])
    _check_headers(table["path"], workers)
    _check_copies(table, "noise", workers, refuse=only is None)
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
            " run again with --forcerun download"
        )
    return paths


def _utterances(
    found: Found, only: set[Path] | None, need_transcripts: bool
) -> list[dict[str, object]]:
    folder, paths = found.subset.folder, _listed(found.files.audio, only)
    if not paths:
        raise PipelineError(
            f"{folder}: holds no audio; put recordings there, as"
            " <speaker>/<chapter>/<speaker>-<chapter>-<n>.flac"
        )
    transcripts = read_transcripts(found.files.transcripts, need_transcripts)
    sexes = read_sexes(folder.parent / SPEAKERS)
    return [_utterance(path, folder, transcripts, sexes) for path in paths]


def _utterance(
    path: Path, folder: Path, transcripts: dict[str, str], sexes: dict[str, str]
) -> dict[str, object]:
    parts = path.relative_to(folder).parts
    name = composed(path.stem)
    if len(parts) != 3 or not name.startswith(composed(f"{parts[0]}-{parts[1]}-")):
        raise PipelineError(
            f"{path}: not in LibriSpeech's layout"
            " <subset>/<speaker>/<chapter>/<speaker>-<chapter>-<n>.flac; move or remove it"
        )
    return {
        "utterance": path.stem,
        "speaker": parts[0],
        "sex": sexes.get(composed(parts[0])),
        "subset": folder.name,
        "transcript": transcripts.get(name),
        "path": path,
    }


def _noises(found: Found, only: set[Path] | None) -> list[Path]:
    paths = _listed(found.files.audio, only)
    if not paths:
        raise PipelineError(
            f"{found.subset.folder}: holds no audio; put at least one noise recording there"
        )
    return paths


def _listed(paths: list[Path], only: set[Path] | None) -> list[Path]:
    """Those that `only` names, as `read_manifest` does: links of folders resolved."""
    if only is None:
        return paths
    folders = {folder: folder.resolve() for folder in {path.parent for path in paths}}
    return [path for path in paths if folders[path.parent] / path.name in only]


def _check_lengths(table: pd.DataFrame) -> None:
    too_long = table[table["noise"].map(lambda name: len(os.fsencode(name)) > LONGEST_NAME)]
    if len(too_long):
        raise PipelineError(
            f"{too_long['path'].iloc[0]}: its name and those of its folders have more than"
            f" {LONGEST_NAME} bytes; rename them"
        )


def _check_once(table: pd.DataFrame, column: str) -> None:
    """Refuse a file that a split has twice by one name: by two paths, or by a link."""
    names = table[["split", column]].map(composed)
    paths = table.loc[names.duplicated(keep=False), "path"]
    twice = paths[paths.map(os.path.realpath).duplicated()]
    if len(twice):
        raise PipelineError(
            f"{twice.iloc[0]}: stands twice in the corpora; name its folder once in"
            " corpora.local.subsets, or remove the link to it"
        )


def _check_unique(table: pd.DataFrame, columns: list[str]) -> None:
    names = table[columns].map(composed)
    double = table[names.duplicated(keep=False)].sort_values(columns)
    if double.empty:
        return
    # The first of them may have its like further down, spelled another way.
    first = double.index[0]
    same = (names.loc[double.index] == names.loc[first]).all(axis=1)
    one, other = double[same]["path"].iloc[:2]
    raise PipelineError(f"{other}: has the name of {one}; rename or remove one of them")


def _check_copies(table: pd.DataFrame, what: str, workers: int, refuse: bool) -> None:
    """Refuse a recording that is in two splits under any name; count those twice in one.

    A user cannot mend what was fetched as it is published: there it is said, not refused.
    """
    splits = dict(zip(table["path"], table["split"], strict=True))
    speakers = dict(zip(table["path"], table.get("speaker", table["split"]), strict=True))
    problems, within = [], Counter[str]()
    for first, *others in find_copies(list(table["path"]), workers):
        for other in others:
            if splits[other] == splits[first]:
                if speakers[other] != speakers[first]:  # one person would be two
                    problems.append(
                        f"{other}: is the same recording as {first}, of another speaker"
                    )
                within[splits[first]] += 1
                continue
            problems.append(
                f"{other}: is the same recording as {first}, in {splits[other]} and in"
                f" {splits[first]}"
            )
    if problems and refuse:
        raise PipelineError(first_few([f"{problem}; remove one of them" for problem in problems]))
    if problems:
        logging.warning("%d %s files are in two splits: %s", len(problems), what, problems[0])
    for split, count in within.items():
        logging.warning("%s: %d %s files are copies of others of this split", split, count, what)


def _check_speakers(table: pd.DataFrame, num_speakers: int, fetched: bool) -> None:
    names = table["speaker"].map(composed)
    spellings = table.groupby(names)["speaker"].unique()
    double = spellings[spellings.map(len) > 1]
    if len(double):
        one, other = (table.loc[table["speaker"] == s, "path"].iloc[0] for s in double.iloc[0][:2])
        raise PipelineError(
            f"{other.parents[1]}: is the folder of the speaker of {one.parents[1]}, an accent in"
            " its name being encoded in another way; move the files of one into the other"
        )
    splits = table.groupby("speaker")["split"].unique()
    shared = splits[splits.map(len) > 1]
    if len(shared):
        # What was fetched is fetched again where it is removed.
        key = "corpora.download.speech.subsets" if fetched else "corpora.local.subsets"
        other = "" if fetched else ", or remove its folder from one of them"
        raise PipelineError(
            f"corpora: speaker {shared.index[0]} is in {' and '.join(shared.iloc[0])};"
            f" a speaker may be in one split only: change {key}{other}"
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


def _log_left_out(listings: Iterable[Listing], only: set[Path] | None) -> None:
    for what, field in (("hidden files or folders", "hidden"), ("broken links", "broken")):
        paths = _listed([path for found in listings for path in getattr(found, field)], only)
        if paths:
            logging.warning("%d %s are left out, such as %s", len(paths), what, paths[0])


def _log_counts(table: pd.DataFrame, what: str) -> None:
    for split, rows in table.groupby("split"):
        speakers = f" of {rows['speaker'].nunique()} speakers" if "speaker" in rows else ""
        logging.info("%s: %d %s files%s", split, len(rows), what, speakers)
