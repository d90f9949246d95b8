"""The folder of a fetched part: its record, its lock, and the free space that it needs."""

import fcntl
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_json, replacing, write_json
from pipeline.config import DownloadCorpus
from pipeline.corpora.catalogue import Part
from pipeline.corpora.selection import FirstSpeakers, Limits
from pipeline.corpora.summary import amounts
from pipeline.fetch.mirrors import Patience
from pipeline.fetch.remote import in_words

RECORD = ".contents.json"  # marks a folder as ours
SPARE = 1 << 28  # bytes to leave free on the disk


@dataclass(frozen=True)
class Job:
    """The fetching of one part; `selection` is the result of `selection_of`."""

    part: Part
    settings: DownloadCorpus
    selection: Limits
    patience: Patience

    @property
    def folder(self) -> Path:
        """Final folder of the part; it may be a link to another place."""
        return self.part.folder(self.settings.folder).resolve()

    @property
    def work(self) -> Path:
        """Folder in which a tar is unpacked, beside the final one, so that it only is renamed."""
        return self.folder.with_name(f".{self.folder.name}.unpacking")

    @property
    def archive(self) -> Path:
        """The archive while it is needed."""
        return Path(self.settings.folder, "downloads", f"{self.part.part}.{self.part.format}")

    @property
    def growing(self) -> Path:
        """The archive while it is fetched."""
        return self.archive.with_name(self.archive.name + ".part")

    @property
    def limits(self) -> FirstSpeakers:
        """The selection of speech, in its initial state."""
        return FirstSpeakers(
            self.selection.get("max_speakers"), self.selection.get("max_utterances")
        )


def read_record(job: Job) -> dict[str, Any] | None:
    """Return the record of the part's folder; None if the folder holds nothing usable.

    Raises:
        PipelineError: the folder is not ours.
    """
    put_in_place(job)
    if not job.folder.exists() or _is_empty(job.folder):
        return None
    try:
        record = read_json(job.folder / RECORD)
    except (OSError, ValueError):
        record = {}
    if record.get("part") != job.part.part:
        raise PipelineError(
            f"{job.folder}: was not made by this workflow as {job.part.part}; use it with"
            " corpora.kind: local, or choose another corpora.download.folder"
        )
    return record if record.get("format", job.part.format) == job.part.format else None


def write_record(job: Job, folder: Path, **contents: Any) -> dict[str, Any]:
    """Write the record of `folder`, the part's own or the one in which it is unpacked."""
    about = {"part": job.part.part, "format": job.part.format, "licence": job.part.credit}
    write_json(folder / RECORD, about | contents)
    return contents


def still_there(job: Job, files: Mapping[str, int]) -> dict[str, int]:
    """Return the recorded files that exist with their recorded size."""
    held = {name: size for name, size in files.items() if _has(job.folder / name, size)}
    if lost := len(files) - len(held):
        logging.warning("%s: %d files are missing or changed; fetched again", job.folder, lost)
    return held


def put_in_place(job: Job) -> None:
    """Replace the folder by the unpacked and recorded one, and remove the archive.

    If the process is killed here, nothing is lost: the next run calls this function first.
    """
    ours = not job.folder.exists() or _is_empty(job.folder) or (job.folder / RECORD).exists()
    if not ours or not (job.work / RECORD).exists():
        return
    drop_archive(job)
    old = job.folder.with_name(f".{job.folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if job.folder.exists():
        job.folder.rename(old)
    job.work.rename(job.folder)
    shutil.rmtree(old, ignore_errors=True)


def drop_archive(job: Job) -> None:
    """Remove the archive, complete or not."""
    for path in (job.archive, job.growing):
        path.unlink(missing_ok=True)


def keep_notes(job: Job, notes: Mapping[str, bytes]) -> None:
    """Write the texts that several parts have beside them; the longest one is kept."""
    for name, text in notes.items():
        path = job.part.folder(job.settings.folder).with_name(name)
        if not path.exists() or path.stat().st_size < len(text):
            with replacing(path) as temporary:
                temporary.write_bytes(text)


def check_disk(job: Job, whole: bool) -> None:
    """Refuse a part that the disk cannot hold, as far as the catalogue gives its size.

    With `whole` the archive is stored whole, whatever is unpacked of it.
    """
    found = amounts(job.part, job.settings)
    fetch = job.part.bytes or job.part.unpacked_bytes if whole else found.fetch
    held = sum(path.stat().st_size for path in (job.growing, job.archive) if path.exists())
    check_room(job, max((fetch or 0) - held, 0) + (found.stored or 0))


def check_room(job: Job, needed: float) -> None:
    """Refuse a part that needs more bytes than the disk has free."""
    root = Path(job.settings.folder)
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if needed + SPARE > free:
        raise PipelineError(
            f"{root}: {job.part.part} needs {in_words(needed + SPARE)}, {in_words(free)} are free;"
            " free some space, or put corpora.download.folder on another disk"
        )


@contextmanager
def alone(job: Job) -> Iterator[None]:
    """Prevent other runs that use the folder from fetching the same part at the same time."""
    path = Path(job.settings.folder, "downloads", f".{job.part.part}.lock")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _wait_for(stack.enter_context(path.open("w")).fileno(), job.part.part)
        except OSError as error:  # another user's folder, or a file system without locks
            logging.warning(
                "%s: cannot be locked (%s); fetch it in one run only", path, error.strerror
            )
        yield


def _wait_for(lock: int, name: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logging.info("%s: another run fetches it; waiting", name)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
