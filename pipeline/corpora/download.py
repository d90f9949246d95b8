"""Fetch one part of the catalogue into the folder of all fetched corpora, and list its files."""

import fcntl
import json
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

import pandas as pd
from tqdm import tqdm

from pipeline.config import DownloadCorpus
from pipeline.corpora import transfer
from pipeline.corpora.archives import (
    Everything,
    FirstSpeakers,
    Selection,
    Taken,
    audio_names,
    damage,
    draw,
    take_from_tar,
    take_from_zip,
    zip_members,
)
from pipeline.corpora.catalogue import Part, selection_of
from pipeline.corpora.remote import GrowingFile, RangeFile
from pipeline.corpora.repository import list_recordings, raw_address
from pipeline.corpora.summary import amounts, describe
from pipeline.corpora.transfer import Corrupt, NoRanges, Patience, Source, from_mirrors, in_words
from pipeline.errors import PipelineError
from pipeline.files import read_json, replacing, write_json, write_manifest

RECORD = ".contents.json"  # written last: a folder without it is not whole, or not ours
SPARE = 1 << 28  # bytes that are left free on the disk


@dataclass(frozen=True)
class Job:
    """One part on its way: `selection` as `selection_of` gives it."""

    part: Part
    settings: DownloadCorpus
    selection: dict[str, int | None]
    patience: Patience

    @property
    def folder(self) -> Path:
        """Where the part lies in the end."""
        return self.part.folder(self.settings.folder)

    @property
    def work(self) -> Path:
        """Where it is unpacked, beside it, so that a rename is all that is left to do."""
        return self.folder.with_name(f".{self.folder.name}.unpacking")

    @property
    def archive(self) -> Path:
        """The archive while it is needed; `.part` is appended to its name while it grows."""
        return Path(self.settings.folder, "downloads", f"{self.part.part}.{self.part.format}")

    @property
    def limits(self) -> FirstSpeakers:
        """The selection of speech, not begun."""
        return FirstSpeakers(
            self.selection.get("max_speakers"), self.selection.get("max_utterances")
        )


def download_part(
    part: Part, settings: DownloadCorpus, seed: int, out: Path, patience: Patience | None = None
) -> None:
    """Fetch, check and unpack what `settings` selects of a part; list its files in `out`.

    Columns of `out`: path, bytes. What is there already is not fetched again, whichever run
    fetched it. A fetch that was cut off goes on from its last byte.

    Raises:
        PipelineError: no mirror serves the part right, the disk is too small, or something that
            is not ours stands where the part belongs.
    """
    job = Job(part, settings, selection_of(part, settings, seed), patience or Patience())
    logging.info(describe(part, settings))
    with _alone(job):
        files = FORMATS[part.format](job)
    if not files:
        raise PipelineError(
            f"{job.folder}: {part.part} holds nothing there; check unpacks_to in the catalogue"
        )
    rows = [{"path": job.folder / name, "bytes": size} for name, size in files.items()]
    write_manifest(out, pd.DataFrame(rows))
    logging.info("%s: %d files in %s", part.part, len(files), job.folder)


def _tar(job: Job) -> dict[str, int]:
    record = _record(job)
    if record is None or not _covers(record["selection"], job.selection):
        _check_disk(job)
        taken = _streamed(job) or _unpacked(job)
        record = {"selection": job.selection, "files": taken.files}
        _finish(job, taken, record)
    return _selected(record["files"], job.limits)


def _streamed(job: Job) -> Taken | None:
    """Read the archive as far as the first speakers reach; None where it has to come whole."""
    if not job.selection.get("max_speakers") or job.archive.exists():
        return None

    def attempt(addresses: list[str]) -> Taken:
        source = Source(job.part.part, addresses, job.part.bytes, job.patience)
        shutil.rmtree(job.work, ignore_errors=True)
        part = job.archive.with_name(job.archive.name + ".part")
        try:
            with (
                GrowingFile(source, part) as file,
                damage(),
                tarfile.open(fileobj=file, mode="r|*") as tar,
            ):
                return take_from_tar(tar, job.folder.name, job.work, job.limits, True)
        except Corrupt:
            _discard(job, part)
            raise

    try:
        return from_mirrors(job.part.part, job.part.addresses, attempt)
    except NoRanges:
        logging.warning("%s: no mirror sends parts of it; fetching all of it", job.part.part)
        return None


def _unpacked(job: Job) -> Taken:
    """Fetch the archive whole, check it, unpack what is selected of it."""
    _check_disk(job, whole=True)

    def attempt(addresses: list[str]) -> Taken:
        _fetch_archive(job, addresses)
        try:
            shutil.rmtree(job.work, ignore_errors=True)
            with damage(), tarfile.open(job.archive) as tar:
                unchecked = job.part.checksum is None
                return take_from_tar(tar, job.folder.name, job.work, _limits(job), unchecked)
        except Corrupt:
            _discard(job, job.archive)
            raise

    return from_mirrors(job.part.part, job.part.addresses, attempt)


def _discard(job: Job, archive: Path) -> None:
    """Remove a corrupt archive and what was unpacked of it."""
    archive.unlink(missing_ok=True)
    shutil.rmtree(job.work, ignore_errors=True)


def _limits(job: Job) -> Selection:
    return job.limits if any(job.selection.values()) else Everything()


def _zip(job: Job) -> dict[str, int]:
    record = _record(job)
    wanted = _drawn(job, record["directory"]) if record else []
    if record is None or not set(wanted) <= set(record["files"]):
        partial = record is not None or bool(job.selection)
        record = (_ranged(job, record) if partial else None) or _from_whole_zip(job, record)
        wanted = _drawn(job, record["directory"])
    return {name: record["files"][name] for name in wanted}


def _ranged(job: Job, record: dict[str, Any] | None) -> dict[str, Any] | None:
    """Fetch single members of a zip; None where no mirror sends parts of it."""

    def attempt(addresses: list[str]) -> dict[str, Any]:
        source = Source(job.part.part, addresses, job.part.bytes, job.patience)
        with damage(), RangeFile(source) as remote, zipfile.ZipFile(remote) as archive:
            return _take_drawn(job, record, archive, remote)

    try:
        return from_mirrors(job.part.part, job.part.addresses, attempt)
    except NoRanges:
        logging.warning("%s: no mirror sends parts of it; fetching all of it", job.part.part)
        return None


def _from_whole_zip(job: Job, record: dict[str, Any] | None) -> dict[str, Any]:
    """Fetch a zip whole, check it, unpack what is selected of it."""
    _check_disk(job, whole=True)

    def attempt(addresses: list[str]) -> dict[str, Any]:
        _fetch_archive(job, addresses)
        try:
            with damage(), zipfile.ZipFile(job.archive) as archive:
                return _take_drawn(job, record, archive, None)
        except Corrupt:
            job.archive.unlink()
            raise

    return from_mirrors(job.part.part, job.part.addresses, attempt)


def _take_drawn(
    job: Job, record: dict[str, Any] | None, archive: zipfile.ZipFile, remote: RangeFile | None
) -> dict[str, Any]:
    size = remote.size if remote else job.archive.stat().st_size
    members = zip_members(archive, job.folder.name, size)
    directory = audio_names(members)
    wanted = {name: members[name] for name in _drawn(job, directory)}
    missing = [
        info for name, info in wanted.items() if name not in (record or {"files": {}})["files"]
    ]
    _check_room(job, sum(info.file_size for info in missing))
    logging.info(
        "%s: %d of %d recordings, %s to fetch and %s to store",
        job.part.part,
        len(wanted),
        len(directory),
        in_words(sum(info.compress_size for info in missing) if remote else 0),
        in_words(sum(info.file_size for info in missing)),
    )
    taken = take_from_zip(archive, wanted, job.folder if record else job.work, remote)
    held = (record["files"] if record else {}) | taken.files
    return _finish(job, taken, {"directory": directory, "files": held}, record is not None)


def _git(job: Job) -> dict[str, int]:
    record = _record(job)
    wanted = _drawn(job, record["directory"]) if record else []
    if record is None or not set(wanted) <= set(record["files"]):
        record = _from_git(job, record)
        wanted = _drawn(job, record["directory"])
    return {name: record["files"][name] for name in wanted}


def _from_git(job: Job, record: dict[str, Any] | None) -> dict[str, Any]:
    """Fetch single files of a repository, each checked by the hash that its listing gives."""
    listing = list_recordings(job.part, job.patience)
    wanted = {name: listing[name] for name in _drawn(job, list(listing))}
    into = job.folder if record else job.work
    missing = {
        name: blob
        for name, blob in wanted.items()
        if not (into / name).is_file() or (into / name).stat().st_size != blob["size"]
    }
    _check_room(job, sum(blob["size"] for blob in missing.values()))
    for name, blob in tqdm(missing.items(), job.part.part, unit=" files", disable=None):
        files = [f"{raw_address(address)}/{quote(blob['path'])}" for address in job.part.addresses]
        transfer.fetch(
            f"{job.part.part} {blob['path']}",
            files,
            into / name,
            blob["size"],
            f"git:{blob['sha']}",
            job.patience,
        )
    taken = Taken({name: blob["size"] for name, blob in wanted.items()})
    held = (record["files"] if record else {}) | taken.files
    return _finish(job, taken, {"directory": list(listing), "files": held}, record is not None)


def _file(job: Job) -> dict[str, int]:
    part = job.part
    target = job.folder / PurePosixPath(urlsplit(part.address).path).name
    if target.exists():
        try:
            transfer.check_file(target, part.bytes, part.checksum)
        except Corrupt as error:
            raise PipelineError(
                f"{target}: is not the {part.part} of the catalogue ({error}); move it away"
            ) from error
    else:
        _check_disk(job)
        transfer.fetch(part.part, part.addresses, target, part.bytes, part.checksum, job.patience)
    return {target.name: target.stat().st_size}


FORMATS = {"tar": _tar, "zip": _zip, "git": _git, "file": _file}


def _drawn(job: Job, directory: list[str]) -> list[str]:
    return draw(directory, job.selection.get("max_files"), job.selection.get("seed") or 0)


def _covers(held: dict[str, int | None], wanted: dict[str, int | None]) -> bool:
    """Whether a selection of speech holds all of another; no limit is the highest."""
    highest = float("inf")
    return all((held[key] or highest) >= (wanted[key] or highest) for key in wanted)


def _selected(files: dict[str, int], limits: FirstSpeakers) -> dict[str, int]:
    """What `limits` takes of files that stand in the archive's order."""
    selected: dict[str, int] = {}
    for name, size in files.items():
        if limits.takes(name):
            selected[name] = size
        if limits.done:
            break
    return selected


def _record(job: Job) -> dict[str, Any] | None:
    """What the part's folder holds, files that have vanished left out; None for no folder.

    Raises:
        PipelineError: the folder is not ours.
    """
    if not job.folder.exists() or not any(job.folder.iterdir()):
        return None
    try:
        record = read_json(job.folder / RECORD)
    except (OSError, json.JSONDecodeError):
        record = {}
    if record.get("part") != job.part.part:
        raise PipelineError(
            f"{job.folder}: was not made by this workflow as {job.part.part}; use it with"
            " corpora.kind: local, or choose another corpora.download.folder"
        )
    held = {n: size for n, size in record["files"].items() if _has(job.folder / n, size)}
    if len(held) < len(record["files"]):
        lost = len(record["files"]) - len(held)
        logging.warning("%s: %d files are missing or changed; fetched again", job.folder, lost)
        if job.part.format == "tar":
            return None
    return record | {"files": held}


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _finish(
    job: Job, taken: Taken, record: dict[str, Any], in_place: bool = False
) -> dict[str, Any]:
    """Record what was unpacked, put it in its place, remove the archive."""
    where = job.folder if in_place else job.work
    where.mkdir(parents=True, exist_ok=True)
    record = {"part": job.part.part, "licence": job.part.credit} | record
    write_json(where / RECORD, record)
    for name, text in taken.notes.items():
        _keep_note(job.folder.parent / name, text)
    if not in_place:
        old = job.folder.with_name(f".{job.folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if job.folder.exists():
            job.folder.rename(old)
        job.work.rename(job.folder)
        shutil.rmtree(old, ignore_errors=True)
    for archive in (job.archive, job.archive.with_name(job.archive.name + ".part")):
        archive.unlink(missing_ok=True)
    return record


def _keep_note(path: Path, text: bytes) -> None:
    """Write a text that several parts carry; the longest lists most."""
    if path.exists() and path.stat().st_size >= len(text):
        return
    with replacing(path) as temporary:
        temporary.write_bytes(text)


def _fetch_archive(job: Job, addresses: list[str]) -> None:
    if not job.archive.exists():
        part = job.part
        transfer.fetch(part.part, addresses, job.archive, part.bytes, part.checksum, job.patience)


def _check_disk(job: Job, whole: bool = False) -> None:
    """Refuse to begin what the disk cannot hold, as far as the catalogue tells.

    With `whole` the archive comes whole, whatever is kept of it.
    """
    found = amounts(job.part, job.settings)
    fetch = job.part.bytes or job.part.unpacked_bytes if whole else found.fetch
    part = job.archive.with_name(job.archive.name + ".part")
    held = sum(path.stat().st_size for path in (part, job.archive) if path.exists())
    _check_room(job, max((fetch or 0) - held, 0) + (found.stored or 0))


def _check_room(job: Job, needed: float) -> None:
    root = Path(job.settings.folder)
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if needed + SPARE > free:
        raise PipelineError(
            f"{root}: {job.part.part} needs {in_words(needed + SPARE)}, {in_words(free)} are free;"
            " free some space, or put corpora.download.folder on another disk"
        )


@contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Keep other runs that share the folder from fetching the same part at the same time."""
    path = Path(job.settings.folder, "downloads", f".{job.part.part}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("%s: another run fetches it; waiting", job.part.part)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems have no locks
            logging.warning("%s: cannot be locked (%s); fetch it in one run only", path, error)
        yield
