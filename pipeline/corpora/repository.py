"""Fetch noise that is published as a git repository, in the layout of MS-SNSD."""

import hashlib
from pathlib import PurePosixPath
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.corpora.archives import UNSAFE
from pipeline.corpora.catalogue import Part
from pipeline.fetch.mirrors import Patience
from pipeline.fetch.remote import fetch_json

Entry = dict[str, Any]
GIT_FOLDERS = {"noise_train": "tr", "noise_test": "tt"}  # in WHAM!'s words
OTHER_ADDRESS = "give another address of it with corpora.download.catalogue"
DEV_SHARE = 10  # one of this many training recordings is in dev instead


def list_recordings(part: Part, patience: Patience) -> dict[str, Entry]:
    """Return the recordings of a repository: WHAM!'s name to path, size and blob.

    One in ten training recordings, by the hash of its name, is in dev; a recording that is also in
    the test split is only there.

    Raises:
        PipelineError: no mirror lists the repository, or it holds no such recordings.
    """
    tree = _entries(fetch_json(f"{part.part} listing", part.addresses, patience), part.part)
    found = {
        entry["path"]: _list_folder(part, entry, patience)
        for entry in tree
        if entry["path"] in GIT_FOLDERS and entry["type"] == "tree"
    }
    if found.keys() != GIT_FOLDERS.keys() or not all(found.values()):
        raise PipelineError(
            f"{part.part}: the repository has no {' and '.join(GIT_FOLDERS)} of WAV files;"
            f" {OTHER_ADDRESS}"
        )
    return _in_splits(found)


def _list_folder(part: Part, folder: Entry, patience: Patience) -> dict[str, Entry]:
    """WAV files of one folder, by name; `path` is the path in the repository."""
    addresses = [f"{address.rpartition('/')[0]}/{folder['sha']}" for address in part.addresses]
    listing = fetch_json(f"{part.part} {folder['path']}", addresses, patience)
    return {
        entry["path"]: entry | {"path": f"{folder['path']}/{entry['path']}"}
        for entry in _entries(listing, part.part)
        if entry["type"] == "blob" and PurePosixPath(entry["path"]).suffix.lower() == ".wav"
    }


def _in_splits(found: dict[str, dict[str, Entry]]) -> dict[str, Entry]:
    test = {f"tt/{name}": blob for name, blob in found["noise_test"].items()}
    tested = {blob["sha"] for blob in test.values()}
    train = [name for name, blob in found["noise_train"].items() if blob["sha"] not in tested]
    train.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    dev = set(train[: max(len(train) // DEV_SHARE, 1)])
    others = {
        f"{'cv' if name in dev else 'tr'}/{name}": found["noise_train"][name] for name in train
    }
    return dict(sorted((others | test).items()))


def _entries(tree: Any, name: str) -> list[Entry]:
    try:
        if tree["truncated"]:
            raise PipelineError(f"{name}: the listing is cut short; {OTHER_ADDRESS}")
        return [_entry(entry, name) for entry in tree["tree"]]
    except (KeyError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{name}: its address gives no listing of a git tree; {OTHER_ADDRESS}"
        ) from error


def _entry(entry: Any, name: str) -> Entry:
    """The used fields of an entry; only files have a size."""
    path = str(entry["path"])
    if path in ("", ".", "..") or "/" in path or UNSAFE.search(path):
        raise PipelineError(f"{name}: the listing holds the unsafe name {path!r}; {OTHER_ADDRESS}")
    size = int(entry["size"]) if entry["type"] == "blob" else 0
    return {"path": path, "type": entry["type"], "sha": str(entry["sha"]), "size": size}


def raw_address(address: str) -> str:
    """Return the address of a listing's files, which another host of GitHub serves."""
    return address.replace(
        "https://api.github.com/repos/", "https://raw.githubusercontent.com/"
    ).replace("/git/trees/", "/")
