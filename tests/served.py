"""Archives as the corpora come in, made of genuine recordings where they are at hand."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from loopback import Loopback

from pipeline.corpora.catalogue import Part

GENUINE = Path(__file__).parents[2] / "shared/data"
SUBSETS = {"train": "train-clean-100", "dev": "dev-clean", "test": "test-clean"}
MINI = {"train": "mini-train", "dev": "mini-dev", "test": "mini-test"}
COMMIT = "0" * 40


def speech_files(corpus, split: str) -> list[Path]:
    """Recordings and transcripts of one split: genuine LibriSpeech, else the corpus made here."""
    if not GENUINE.exists():
        return _below(corpus.folders[split][0])
    folder = GENUINE / "LibriSpeech" / MINI[split]
    speakers = sorted(folder.iterdir(), key=lambda path: (-len(_below(path)), path))
    return [path for speaker in speakers[:12] for path in _below(speaker)]


def noise_files(corpus) -> list[Path]:
    """Recordings of noise below `{tr,cv,tt}`: the shorter genuine ones, else those made here."""
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
    """Members of LibriSpeech's tar: notes first, then speaker after speaker."""
    prefix = f"LibriSpeech/{SUBSETS[split]}"
    notes = [("LibriSpeech/SPEAKERS.TXT", speakers_text(corpus))]
    files = speech_files(corpus, split)
    return notes + [(f"{prefix}/{'/'.join(p.parts[-3:])}", p.read_bytes()) for p in files]


def noise_members(corpus) -> list[tuple[str, bytes]]:
    files = noise_files(corpus)
    inside = [(f"wham_noise/{'/'.join(p.parts[-2:])}", p.read_bytes()) for p in files]
    return [("wham_noise/LICENSE.txt", b"CC BY-NC 4.0"), *inside]


def serve_git(served: Loopback, corpus) -> None:
    """The noise as a repository: listings by tree, files by path."""
    files = {
        f"noise_train/{p.name}": p.read_bytes()
        for p in noise_files(corpus)
        if p.parent.name != "tt"
    }
    files |= {
        f"noise_test/{p.name}": p.read_bytes() for p in noise_files(corpus) if p.parent.name == "tt"
    }
    root = []
    for number, folder in enumerate(("noise_train", "noise_test"), 1):
        sha = f"{number:040d}"
        root.append({"path": folder, "type": "tree", "sha": sha})
        served.files[f"/repos/o/r/git/trees/{sha}"] = _tree(
            {
                "path": path.partition("/")[2],
                "type": "blob",
                "size": len(content),
                "sha": git_hash(content),
            }
            for path, content in files.items()
            if path.startswith(folder)
        )
    served.files[f"/repos/o/r/git/trees/{COMMIT}"] = _tree(root)
    served.files |= {f"/repos/o/r/{COMMIT}/{path}": content for path, content in files.items()}


def git_hash(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def part_of(served: Loopback, name: str, path: str, **values) -> Part:
    """A row of the catalogue for what is served under `path`."""
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


def _tree(entries: Iterable[dict]) -> bytes:
    return json.dumps({"sha": COMMIT, "truncated": False, "tree": list(entries)}).encode()


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
