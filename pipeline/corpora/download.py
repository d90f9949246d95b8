"""Fetch one part of the catalogue into the folder of all fetched corpora, and list its files."""

import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

import pandas as pd
from tqdm import tqdm

from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.config import DownloadCorpus
from pipeline.corpora.archives import Taken, damage, take_from_tar, take_from_zip, zip_members
from pipeline.corpora.catalogue import Part, selection_of
from pipeline.corpora.held import (
    Job,
    alone,
    check_disk,
    check_room,
    drop_archive,
    keep_notes,
    put_in_place,
    read_record,
    still_there,
    write_record,
)
from pipeline.corpora.repository import list_recordings, raw_address
from pipeline.corpora.roots import NOISE_FOLDERS
from pipeline.corpora.selection import draw, noise_names, selected, widest
from pipeline.corpora.summary import describe
from pipeline.corpora.swelling import Allowance, Member
from pipeline.fetch.mirrors import Patience
from pipeline.fetch.remote import (
    Corrupt,
    GrowingFile,
    RangeFile,
    check_file,
    fetch,
    from_mirrors,
    in_words,
)
from pipeline.fetch.transfer import NoRanges, Source

T = TypeVar("T")
Record = dict[str, Any]


def download_part(
    part: Part, settings: DownloadCorpus, seed: int, out: Path, patience: Patience | None = None
) -> None:
    """Fetch, check and unpack the selection of `settings` from a part; list its files in `out`.

    The columns of `out` are path and bytes. Existing files are not fetched again, whichever run
    fetched them. An interrupted fetch continues at its last byte.

    Raises:
        PipelineError: no mirror serves the part correctly, the disk is too small, or the folder of
            the part is not ours.
    """
    job = Job(part, settings, selection_of(part, settings, seed), patience or Patience())
    logging.info(describe(part, settings))
    with alone(job):
        files = FORMATS[part.format](job)
    rows = [{"path": job.folder / name, "bytes": size} for name, size in files.items()]
    write_manifest(out, pd.DataFrame(rows))
    logging.info("%s: %d files in %s", part.part, len(files), job.folder)


def _tar(job: Job) -> dict[str, int]:
    """Fetch speech, or noise as a whole. A folder's selection only grows: others may use it."""
    record = read_record(job) or {}
    held = record.get("selection")
    wider = job if held is None else replace(job, selection=widest(held, job.selection))
    if held is not None and held == wider.selection:
        files = selected(record["files"], job.limits)
        if still_there(job, files) == files:
            return files
    taken = _streamed(wider) or _unpacked(wider)
    keep_notes(job, taken.notes)
    write_record(job, job.work, selection=wider.selection, files=taken.files)
    put_in_place(job)
    return selected(taken.files, job.limits)


def _streamed(job: Job) -> Taken | None:
    """Read the archive up to the last selected speaker; None if it must be fetched whole."""
    if not job.selection.get("max_speakers") or job.archive.exists():
        return None
    check_disk(job, whole=False)

    def attempt(addresses: list[str]) -> Taken:
        source = Source(job.part.part, addresses, job.part.bytes, job.patience)
        shutil.rmtree(job.work, ignore_errors=True)
        with (
            GrowingFile(source, job.growing) as file,
            damage(),
            tarfile.open(fileobj=file, mode="r|*", tarinfo=Member) as tar,
        ):
            read = Allowance(lambda: file.held)
            return take_from_tar(tar, _inside(job), job.work, job.limits, read, check_sound=True)

    return _in_parts(job, attempt, lambda: _discard(job))


def _unpacked(job: Job) -> Taken:
    """Fetch the archive whole, check it, and unpack the selection."""
    check_disk(job, whole=True)

    def attempt(addresses: list[str]) -> Taken:
        _fetch_archive(job, addresses)
        shutil.rmtree(job.work, ignore_errors=True)
        size = job.archive.stat().st_size
        with damage(), tarfile.open(job.archive, tarinfo=Member) as tar:
            whole, check_sound = Allowance(lambda: size), job.part.checksum is None
            return take_from_tar(tar, _inside(job), job.work, job.limits, whole, check_sound)

    return from_mirrors(job.part.part, job.part.addresses, attempt, lambda: _discard(job))


def _discard(job: Job) -> None:
    drop_archive(job)
    shutil.rmtree(job.work, ignore_errors=True)


def _noise(job: Job, take: Callable[[Job, Record], Record]) -> dict[str, int]:
    """The drawn files of the noise, after `take` has fetched the missing ones."""
    record = read_record(job) or {"directory": [], "files": {}}
    record["files"] = still_there(job, record["files"])
    wanted = _drawn(job, record["directory"])
    if not wanted or not record["files"].keys() >= set(wanted):
        record = take(job, record)
        drop_archive(job)
        write_record(job, job.folder, **record)
        wanted = _drawn(job, record["directory"])
    return {name: record["files"][name] for name in wanted}


def _zip(job: Job) -> dict[str, int]:
    return _noise(job, _from_zip)


def _from_zip(job: Job, record: Record) -> Record:
    """Fetch single members if few are missing and a mirror sends ranges, else the whole zip."""
    few = bool(job.selection or record["files"]) and not job.archive.exists()
    return (_ranged(job, record) if few else None) or _from_whole_zip(job, record)


def _ranged(job: Job, record: Record) -> Record | None:
    """Fetch single members of a zip; None if no mirror sends ranges of it."""

    def attempt(addresses: list[str]) -> Record:
        source = Source(job.part.part, addresses, job.part.bytes, job.patience)
        with damage(), RangeFile(source) as remote, zipfile.ZipFile(remote) as archive:
            return _take_drawn(job, record, archive, remote.size, remote)

    return _in_parts(job, attempt, lambda: None)


def _from_whole_zip(job: Job, record: Record) -> Record:
    """Fetch a zip whole, check it, and unpack the selection."""
    check_disk(job, whole=True)

    def attempt(addresses: list[str]) -> Record:
        _fetch_archive(job, addresses)
        with damage(), zipfile.ZipFile(job.archive) as archive:
            return _take_drawn(job, record, archive, job.archive.stat().st_size)

    return from_mirrors(job.part.part, job.part.addresses, attempt, lambda: drop_archive(job))


def _take_drawn(
    job: Job,
    record: Record,
    archive: zipfile.ZipFile,
    size: int,
    remote: RangeFile | None = None,
) -> Record:
    members = zip_members(archive, _inside(job), size)
    directory = noise_names(members)
    if lacking := set(NOISE_FOLDERS.values()) - {name.partition("/")[0] for name in directory}:
        raise Corrupt(
            f"holds no recordings in {_inside(job)}/{sorted(lacking)[0]}; check unpacks_to in the"
            " catalogue"
        )
    wanted = {name: members[name] for name in _drawn(job, directory)}
    missing = [info for name, info in wanted.items() if name not in record["files"]]
    to_fetch = sum(info.compress_size for info in missing) if remote else 0
    _begin(job, record, directory, sum(info.file_size for info in missing), to_fetch, len(wanted))
    take_from_zip(archive, wanted, job.folder, remote)
    sizes = {name: info.file_size for name, info in wanted.items()}
    return {"directory": directory, "files": record["files"] | sizes}


def _git(job: Job) -> dict[str, int]:
    return _noise(job, _from_git)


def _from_git(job: Job, record: Record) -> Record:
    """Fetch single files of a repository, and check each by the hash in the listing."""
    listing = list_recordings(job.part, job.patience)
    wanted = {name: listing[name] for name in _drawn(job, list(listing))}
    missing = {n: blob for n, blob in wanted.items() if not _is_blob(job.folder / n, blob)}
    needed = sum(blob["size"] for blob in missing.values())
    _begin(job, record, list(listing), needed, needed, len(wanted))
    for name, blob in tqdm(missing.items(), job.part.part, unit=" files", disable=None):
        _fetch_blob(job, blob, job.folder / name)
    sizes = {name: blob["size"] for name, blob in wanted.items()}
    return {"directory": list(listing), "files": record["files"] | sizes}


def _fetch_blob(job: Job, blob: Record, target: Path) -> None:
    addresses = [f"{raw_address(a)}/{quote(blob['path'])}" for a in job.part.addresses]
    name, checksum = f"{job.part.part} {blob['path']}", f"git:{blob['sha']}"
    fetch(name, addresses, target, blob["size"], checksum, job.patience)


def _is_blob(path: Path, blob: Record) -> bool:
    try:
        check_file(path, blob["size"], f"git:{blob['sha']}")
    except (Corrupt, FileNotFoundError):
        return False
    return True


def _begin(
    job: Job, record: Record, directory: list[str], to_store: int, to_fetch: int, wanted: int
) -> None:
    """Log the transfer, and mark the folder as ours before it gets any file."""
    check_room(job, to_store)
    logging.info(
        "%s: %d of %d recordings, %s to fetch and %s to store",
        job.part.part,
        wanted,
        len(directory),
        in_words(to_fetch),
        in_words(to_store),
    )
    write_record(job, job.folder, directory=directory, files=record["files"])


def _file(job: Job) -> dict[str, int]:
    part, target = job.part, job.folder / f"{job.part.part}.csv"
    if target.exists():
        try:
            check_file(target, part.bytes, part.checksum)
        except Corrupt as error:
            raise PipelineError(
                f"{target}: is not the {part.part} of the catalogue ({error}); move it away"
            ) from error
    else:
        check_disk(job, whole=True)
        fetch(part.part, part.addresses, target, part.bytes, part.checksum, job.patience)
    return {target.name: target.stat().st_size}


FORMATS = {"tar": _tar, "zip": _zip, "git": _git, "file": _file}


def _in_parts(job: Job, attempt: Callable[[list[str]], T], discard: Callable[[], None]) -> T | None:
    """`attempt` to read a part of an archive; None if it must be fetched whole."""
    try:
        return from_mirrors(job.part.part, job.part.addresses, attempt, discard)
    except NoRanges:
        logging.warning("%s: no mirror sends parts of it; fetching all of it", job.part.part)
        return None


def _fetch_archive(job: Job, addresses: list[str]) -> None:
    part = job.part
    if job.archive.exists():
        check_file(job.archive, part.bytes, part.checksum)
    else:
        fetch(part.part, addresses, job.archive, part.bytes, part.checksum, job.patience)


def _inside(job: Job) -> str:
    """Name of the folder of the part in its archive."""
    return PurePosixPath(job.part.unpacks_to).name


def _drawn(job: Job, directory: list[str]) -> list[str]:
    return draw(directory, job.selection.get("max_files"), job.selection.get("seed") or 0)
