"""Noise that is published as a git repository, in the layout of MS-SNSD."""

import hashlib
from pathlib import PurePosixPath
from typing import Any

from pipeline.corpora.catalogue import Part
from pipeline.corpora.transfer import Patience, fetch_json
from pipeline.errors import PipelineError

GIT_FOLDERS = {"noise_train": "tr", "noise_test": "tt"}  # in WHAM!'s words
DEV_SHARE = 10  # one in so many of the recordings for training is for dev instead


def list_recordings(part: Part, patience: Patience) -> dict[str, dict[str, Any]]:
    """Recordings of a repository: name as WHAM! has it to path, size and blob.

    One in ten recordings for training, by the hash of its name, is for dev; one that is for
    the test too is for the test only.

    Raises:
        PipelineError: no mirror lists the repository, or it holds no such recordings.
    """
    name, addresses = part.part, part.addresses
    tree = fetch_json(f"{name} listing", addresses, patience)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in _entries(tree, name):
        if entry["path"] in GIT_FOLDERS and entry["type"] == "tree":
            below = [f"{address.rpartition('/')[0]}/{entry['sha']}" for address in addresses]
            inner = fetch_json(f"{name} {entry['path']}", below, patience)
            found[entry["path"]] = {
                e["path"]: e | {"path": f"{entry['path']}/{e['path']}"}
                for e in _entries(inner, name)
                if e["type"] == "blob" and PurePosixPath(e["path"]).suffix.lower() == ".wav"
            }
    if set(found) != set(GIT_FOLDERS) or not all(found.values()):
        raise PipelineError(
            f"{name}: the repository has no {' and '.join(GIT_FOLDERS)} of WAV files;"
            " mend its address in the catalogue"
        )
    return _in_splits(found)


def _in_splits(found: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    test = {f"tt/{name}": blob for name, blob in found["noise_test"].items()}
    tested = {blob["sha"] for blob in test.values()}
    train = [name for name, blob in found["noise_train"].items() if blob["sha"] not in tested]
    train.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    dev = set(train[: max(len(train) // DEV_SHARE, 1)])
    others = {
        f"{'cv' if name in dev else 'tr'}/{name}": found["noise_train"][name] for name in train
    }
    return dict(sorted((others | test).items()))


def _entries(tree: Any, name: str) -> list[dict[str, Any]]:
    try:
        if tree["truncated"]:
            raise PipelineError(f"{name}: the listing is cut short; choose another address")
        for entry in tree["tree"]:
            if "/" in entry["path"] or entry["path"] in ("", ".", ".."):
                raise PipelineError(f"{name}: the listing holds the unsafe name '{entry['path']}'")
            assert entry["sha"] and (entry["type"] != "blob" or entry["size"] >= 0)
        return tree["tree"]
    except (KeyError, TypeError, AssertionError) as error:
        raise PipelineError(
            f"{name}: its address gives no listing of a git tree; mend it in the catalogue"
        ) from error


def raw_address(address: str) -> str:
    """Where the files of a listing lie: GitHub's API lists, another of its hosts serves."""
    return address.replace(
        "https://api.github.com/repos/", "https://raw.githubusercontent.com/"
    ).replace("/git/trees/", "/")
