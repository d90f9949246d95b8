"""A web server on this machine with archives of recordings."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import served as make
from loopback import Loopback

from pipeline.base.files import read_manifest
from pipeline.config import DownloadCorpus
from pipeline.corpora import held
from pipeline.corpora.catalogue import Part
from pipeline.corpora.download import download_part

ARCHIVES: dict[str, bytes] = {}  # made once for all tests


@pytest.fixture
def served(server, corpus) -> Loopback:
    """The server with speech as `/dev-clean.tar.gz` …, noise as `/wham_noise.zip` and as git."""
    if not make.GENUINE.exists():
        corpus.fill(speakers=6, utterances=4)
        for number in range(24):
            corpus.hiss(("train", "train", "dev", "test")[number % 4], f"n{number}", 0.5)
    if not ARCHIVES:
        for split, name in make.SUBSETS.items():
            ARCHIVES[f"/{name}.tar.gz"] = make.make_tar(make.speech_members(corpus, split))
        ARCHIVES["/wham_noise.zip"] = make.make_zip(make.noise_members(corpus))
        ARCHIVES.update(make.make_git(corpus))
    server.files |= ARCHIVES
    return server


@pytest.fixture(autouse=True)
def small_disk(monkeypatch) -> None:
    """Report no free space: the disk of a test machine may be nearly full."""
    monkeypatch.setattr(held, "SPARE", 0)


@pytest.fixture
def fetched(tmp_path, patience):
    """`fetched(part, seed, **limits)` fetches a part and returns its files, in the list's order."""

    def run(part: Part, seed=0, out="part.csv", **limits) -> list[str]:
        kind = "noise" if "max_files" in limits else "speech"
        settings = DownloadCorpus(**{"folder": str(tmp_path / "data"), kind: limits})
        download_part(part, settings, seed, tmp_path / out, patience)
        folder = part.folder(tmp_path / "data").resolve()
        table = read_manifest(tmp_path / out)
        assert all(
            Path(path).stat().st_size == size for path, size in table.itertuples(index=False)
        )
        assert not list((tmp_path / "data/downloads").glob("[!.]*"))
        assert not list(folder.parent.glob(".*unpacking"))
        return [os.path.relpath(path, folder) for path in table["path"]]

    run.folder = tmp_path / "data"
    return run


@pytest.fixture
def parts(served):
    """Rows of the catalogue for the served parts."""
    noise = {"kind": "noise", "unpacks_to": "wham_noise"}
    address = served.url(f"/repos/o/r/git/trees/{make.COMMIT}")
    served.files["/meta.csv"] = b"mixture_ID,length\n"
    zipped = noise | {"format": "zip", "checksum": None}
    tree = noise | {"format": "git", "address": address, "bytes": None, "checksum": None}
    tree["unpacks_to"] = "ms_snsd"
    table = {"kind": "librimix", "format": "file", "unpacks_to": "LibriMix/metadata"}
    return SimpleNamespace(
        speech=make.part_of(served, "test-clean", "/test-clean.tar.gz"),
        noise=make.part_of(served, "wham_noise", "/wham_noise.zip", **zipped),
        git=make.part_of(served, "ms_snsd", "/wham_noise.zip", **tree),
        table=make.part_of(served, "meta", "/meta.csv", **table),
    )
