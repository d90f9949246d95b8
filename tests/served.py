"""Archives in the formats of the corpora, made of real recordings where these are available."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from loopback import Loopback

from pipeline.base.errors import PipelineError
from pipeline.corpora.catalogue import Part

GENUINE = Path(__file__).parents[2] / "shared/data"
SUBSETS = {"train": "train-clean-100", "dev": "dev-clean", "test": "test-clean"}
MINI = {"train": "mini-train", "dev": "mini-dev", "test": "mini-test"}
COMMIT = "0" * 40


def speech_files(corpus, split: str) -> list[Path]:
    """Recordings and transcripts of one split: real LibriSpeech, else the corpus made here."""
    if not GENUINE.exists():
        return _below(corpus.spoken[split][0].folder)
    folder = GENUINE / "LibriSpeech" / MINI[split]
    speakers = sorted(folder.iterdir(), key=lambda path: (-len(_below(path)), path))
    return [path for speaker in speakers[:12] for path in _below(speaker)]


def noise_files(corpus) -> list[Path]:
    """Recordings of noise below `{tr,cv,tt}`: the shorter real ones, else those made here."""
    root = GENUINE / "wham_noise" if GENUINE.exists() else corpus.noise
    return [
        path
        for path in sorted(root.glob("t[rt]/*.wav")) + sorted(root.glob("cv/*.wav"))
        if path.stat().st_size < 400_000
    ]


def speakers_text(corpus) -> bytes:
    root = GENUINE / "LibriSpeech" if GENUINE.exists() else corpus.speech
    return (root / "SPEAKERS.TXT").read_bytes()


def make_tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar.gz of these names and contents, in this order."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def make_zip(members: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def speech_members(corpus, split: str) -> list[tuple[str, bytes]]:
    """Members of LibriSpeech's tar: notes first, then one speaker after another."""
    prefix = f"LibriSpeech/{SUBSETS[split]}"
    notes = [("LibriSpeech/SPEAKERS.TXT", speakers_text(corpus))]
    files = speech_files(corpus, split)
    return notes + [(f"{prefix}/{'/'.join(p.parts[-3:])}", p.read_bytes()) for p in files]


def noise_members(corpus) -> list[tuple[str, bytes]]:
    files = noise_files(corpus)
    inside = [(f"wham_noise/{'/'.join(p.parts[-2:])}", p.read_bytes()) for p in files]
    return [("wham_noise/LICENSE.txt", b"CC BY-NC 4.0"), *inside]


def make_git(corpus) -> dict[str, bytes]:
    """The noise as a repository: listings by tree, files by path."""
    served, root = {}, []
    for number, folder in enumerate(("noise_train", "noise_test"), 1):
        files = [p for p in noise_files(corpus) if (p.parent.name == "tt") == (number == 2)]
        contents = {path.name: path.read_bytes() for path in files}
        root.append({"path": folder, "type": "tree", "sha": f"{number:040d}"})
        served[f"/repos/o/r/git/trees/{number:040d}"] = _tree(map(_blob, contents.items()))
        served |= {f"/repos/o/r/{COMMIT}/{folder}/{name}": c for name, c in contents.items()}
    return served | {f"/repos/o/r/git/trees/{COMMIT}": _tree(root)}


def git_hash(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def part_of(served: Loopback, name: str, path: str, **values) -> Part:
    """A row of the catalogue for the content served under `path`."""
    content = served.files[path]
    row = {
        "part": name,
        "corpus": "A corpus",
        "kind": "speech",
        "format": "tar",
        "address": served.url(path),
        "bytes": len(content),
        "checksum": "sha256:" + hashlib.sha256(content).hexdigest(),
        "unpacks_to": f"LibriSpeech/{name}",
        "licence": "CC0 1.0",
        "attribution": "Nobody 2020",
    }
    return Part(**(row | values))


def refused(function, *arguments, **values) -> str:
    """The line with which a call is refused."""
    with pytest.raises(PipelineError) as error:
        function(*arguments, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


def contents(members, folder: str) -> dict[str, bytes]:
    """The content of an archive below `folder`, in its order."""
    inside = ((name.partition(f"{folder}/")[2], content) for name, content in members)
    return {name: content for name, content in inside if name}


def _blob(item: tuple[str, bytes]) -> dict:
    name, content = item
    return {"path": name, "type": "blob", "size": len(content), "sha": git_hash(content)}


def _tree(entries: Iterable[dict]) -> bytes:
    return json.dumps({"sha": COMMIT, "truncated": False, "tree": list(entries)}).encode()


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
