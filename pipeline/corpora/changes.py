"""What has changed on disk since the corpora were scanned."""

import errno
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from pipeline.config import SPLITS, Corpora
from pipeline.corpora.listing import list_noise, list_speech
from pipeline.corpora.roots import corpus_roots
from pipeline.corpora.texts import SPEAKERS
from pipeline.errors import PipelineError
from pipeline.files import read_manifest, write_manifest

Corpus = Literal["speech", "noise"]
WORKERS = 8  # files looked at together: over a network each takes a while


class Stamp(NamedTuple):
    """What tells one file from another without reading it: bytes, and nanoseconds of the epoch."""

    bytes: int
    modified: int


Files = dict[str, Stamp]


class Seen(NamedTuple):
    """A corpus as it is found: what its scan depends on, and what a user should know of it."""

    state: str
    line: str | None


def look_at(corpora: Corpora, corpus: Corpus, recorded: Path, fetched: list[Path]) -> Seen:
    """Look at a corpus on disk as a run starts.

    Args:
        corpora: section of the configuration.
        corpus: of speech or of noise.
        recorded: the files that the last scan saw, as `write_files` wrote them.
        fetched: lists of the parts that are downloaded.
    """
    if corpora.kind == "download":
        changed = changes_of_fetched(fetched)
        return Seen(changed, _line(f"corpora.download.{corpus}", changed, "fetched"))
    before = read_files(recorded)
    try:
        now = files_of(corpora, corpus)
    except PipelineError as error:
        # A scan would say the same; where there was one, its results are still good.
        return Seen(state_of(before), f"{error}; its last scan is used" if before else None)
    changed = changes(before, now) if before else ""
    return Seen(state_of(now), _line(f"corpora.local.{corpus}", changed, "scanned"))


def files_of(corpora: Corpora, corpus: Corpus) -> Files:
    """The files that decide the scan of a corpus on disk; none of one that a run makes itself.

    Raises:
        PipelineError: no such folder, or one that may not be read.
    """
    if corpora.kind != "local":
        return {}
    return stamps(_local_files(corpora, corpus))


def stamps(paths: Iterable[Path]) -> Files:
    """Size and time of files; those that are not there are left out."""
    paths = list(paths)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = zip(paths, pool.map(_stamp, paths), strict=True)
        return {str(path): stamp for path, stamp in found if stamp}


def write_files(files: Files, out: Path) -> None:
    """Write files as a table: file, bytes, modified."""
    rows = [(path, *stamp) for path, stamp in files.items()]
    write_manifest(out, pd.DataFrame(rows, columns=["file", *Stamp._fields]))


def read_files(manifest: Path) -> Files:
    """What `write_files` wrote; nothing where there is no such manifest."""
    if not manifest.exists():
        return {}
    table = read_manifest(manifest)
    given = zip(table["file"], table["bytes"], table["modified"], strict=True)
    return {path: Stamp(int(size), int(modified)) for path, size, modified in given}


def state_of(files: Files) -> str:
    """A hash of names, sizes and times."""
    lines = (f"{path} {stamp.bytes} {stamp.modified}\n" for path, stamp in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def changes(before: Files, now: Files) -> str:
    """What has changed, as `2 added, 1 gone, 1 changed`; empty where nothing has."""
    counts = {
        "added": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
        "changed": sum(before[path] != now[path] for path in before.keys() & now.keys()),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def changes_of_fetched(lists: Iterable[Path]) -> str:
    """What has happened to fetched files since their lists were written, as `changes` says it."""
    before, now = Files(), Files()
    for listed in filter(Path.exists, lists):
        table, written = read_manifest(listed), listed.stat().st_mtime_ns
        sizes = dict(zip(table["path"], table["bytes"], strict=True))
        before |= {path: Stamp(int(size), written) for path, size in sizes.items()}
        now |= {
            path: stamp._replace(modified=max(stamp.modified, written))
            for path, stamp in stamps(map(Path, sizes)).items()
        }
    return changes(before, now)


def _line(key: str, changed: str, when: str) -> str | None:
    if not changed:
        return None
    return (
        f"{key}: {changed} since it was {when}; it is scanned again, and what depends on it is made"
        " again"
    )


def _local_files(corpora: Corpora, corpus: Corpus) -> Iterator[Path]:
    folders, noise = corpus_roots(corpora, Path())
    if corpus == "noise":
        for listed in list_noise(noise).values():
            yield from listed.audio
        return
    for folder in (folder for split in SPLITS for folder in folders[split]):
        listed = list_speech(folder)
        yield from listed.audio
        yield from listed.transcripts
        yield folder.parent / SPEAKERS


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return None
        raise PipelineError(f"{path}: may not be read; check its permissions") from error
    return Stamp(status.st_size, status.st_mtime_ns)
