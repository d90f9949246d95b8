"""Detect changes on disk since the corpora were scanned."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline import audio
from pipeline.base.errors import PipelineError, first_few
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import SPLITS, Corpora
from pipeline.corpora.listing import list_corpus
from pipeline.corpora.roots import AUDIO_SUFFIXES, Corpus, corpus_subsets, require_roots
from pipeline.corpora.texts import SPEAKERS

WORKERS = 8  # threads that check files: on a network each file takes a while


class Stamp(NamedTuple):
    """Size in bytes and time in nanoseconds of a file, which identify its content."""

    bytes: int
    modified: int


Files = dict[str, Stamp]


class Seen(NamedTuple):
    """The state of a corpus on which its scan depends, and a message for the user."""

    state: str
    line: str | None


def look_at(corpora: Corpora, corpus: Corpus, recorded: Path, fetched: list[Path]) -> Seen:
    """Check a corpus on disk at the start of a run.

    Args:
        corpora: section of the configuration.
        corpus: of speech or of noise.
        recorded: the files of the last scan, as `write_files` wrote them.
        fetched: lists of the parts that are downloaded.


    Raises:
        PipelineError: there is no such corpus, or a new recording cannot be used: the scan would
            fail on it after the results of the last one were removed.
    """
    before = read_files(recorded)
    try:
        now = files_of(corpora, corpus, fetched)
    except PipelineError as error:
        if not before or not _are_of(corpora, corpus, before):
            raise
        return Seen(state_of(before), f"{error}; its last scan is used")
    if corpora.kind == "demo" or not recorded.exists():
        return Seen(state_of(now), None)
    if corpora.kind == "local":
        _check_new(path for path, stamp in now.items() if before.get(path) != stamp)
    changed, key = changes(before, now), f"corpora.{corpora.kind}.{corpus}"
    line = f"{key}: {changed} since it was scanned; it is scanned again, and what depends on it is"
    return Seen(state_of(now), f"{line} rebuilt" if changed else None)


def files_of(corpora: Corpora, corpus: Corpus, fetched: Iterable[Path] = ()) -> Files:
    """Return the files that determine the scan of a corpus; none if a run makes the corpus.

    For a fetched corpus these are the files that differ from its lists in `fetched`.

    Raises:
        PipelineError: a folder is missing or may not be read.
    """
    if corpora.kind == "demo":
        return {}
    if corpora.kind == "download":
        return _changed_since(fetched)
    return stamps(_local_files(corpora, corpus))


def stamps(paths: Iterable[Path]) -> Files:
    """Return size and time of files; missing files are left out."""
    paths = list(paths)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = zip(paths, pool.map(_stamp, paths), strict=True)
        # Names that a table cannot hold belong to no recordings; a scan refuses them.
        return {_printable(path): stamp for path, stamp in found if stamp}


def write_files(files: Files, out: Path) -> None:
    """Write files as a table: file, bytes, modified."""
    rows = [(path, *stamp) for path, stamp in files.items()]
    write_manifest(out, pd.DataFrame(rows, columns=["file", *Stamp._fields]))


def read_files(manifest: Path) -> Files:
    """Read the table of `write_files`; empty if it is missing or incomplete."""
    try:
        table = read_manifest(manifest)
        given = zip(table["file"], table["bytes"], table["modified"], strict=True)
        return {path: Stamp(int(size), int(modified)) for path, size, modified in given}
    except (PipelineError, KeyError, ValueError):
        return {}


def state_of(files: Files) -> str:
    """Return a hash of names, sizes and times."""
    lines = (f"{path} {stamp.bytes} {stamp.modified}\n" for path, stamp in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def changes(before: Files, now: Files) -> str:
    """Describe the changes, such as `2 added, 1 gone, 1 changed`; empty without changes."""
    counts = {
        "added": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
        "changed": sum(before[path] != now[path] for path in before.keys() & now.keys()),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _changed_since(lists: Iterable[Path]) -> Files:
    """Fetched files whose size differs from their list, or that are newer than it."""
    changed = Files()
    for listed in filter(Path.exists, lists):
        try:
            table = read_manifest(listed)
            sizes = dict(zip(table["path"], table["bytes"], strict=True))
        except (PipelineError, KeyError):
            continue  # incomplete: it is rebuilt
        written = listed.stat().st_mtime_ns
        for path, stamp in stamps(map(Path, sizes)).items():
            if stamp.bytes != sizes.get(path, stamp.bytes) or stamp.modified > written:
                changed[path] = stamp
    return changed


def _are_of(corpora: Corpora, corpus: Corpus, files: Files) -> bool:
    """Whether files lie in the folders that are asked for, some in each root of these."""
    subsets = corpus_subsets(corpora, corpus, Path())
    asked = [subset for split in SPLITS for subset in subsets[split]]
    found = [Path(file) for file in files if Path(file).suffix.lower() in AUDIO_SUFFIXES]
    places = [[one.root for one in asked if path.is_relative_to(one.folder)] for path in found]
    return all(places) and {one.root for one in asked} <= {root for p in places for root in p}


def _check_new(files: Iterable[str]) -> None:
    """Check the headers of recordings that were added or replaced."""
    problems = []
    for path in (Path(file) for file in files if Path(file).suffix.lower() in AUDIO_SUFFIXES):
        try:
            audio.info(path)
        except PipelineError as error:
            problems.append(str(error))
    if problems:
        raise PipelineError(first_few(problems))


def _local_files(corpora: Corpora, corpus: Corpus) -> Iterator[Path]:
    if corpora.local is not None:
        require_roots(corpora.local)
    for _, subset, listed in list_corpus(corpus_subsets(corpora, corpus, Path()), corpus):
        yield from listed.audio
        if corpus == "speech":
            yield from listed.transcripts
            yield subset.folder.parent / SPEAKERS


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return None
        raise PipelineError(f"{path}: may not be read; check its permissions") from error
    # A file that may not be read counts as another one once it may.
    return Stamp(status.st_size, status.st_mtime_ns if os.access(path, os.R_OK) else 0)


def _printable(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")
