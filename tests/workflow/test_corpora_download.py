"""`corpora.kind: download` through the whole workflow, from a web server on this machine."""

import csv
import re

import pytest
import served as make
import yaml
from loopback import Loopback, Manners
from workspace import SMOKE

from pipeline.base.files import read_manifest

ARCHIVES = {split: f"/{name}.tar.gz" for split, name in make.SUBSETS.items()}


@pytest.fixture
def web(corpus):
    """The server: LibriSpeech's parts and WHAM! noise."""
    if not make.GENUINE.exists():
        corpus.fill(speakers=4, utterances=2)
        for number in range(24):
            corpus.hiss(("train", "dev", "test")[number % 3], f"n{number}", 0.5)
    loopback = Loopback()
    for split, path in ARCHIVES.items():
        loopback.files[path] = make.make_tar(make.speech_members(corpus, split))
    loopback.files["/wham_noise.zip"] = make.make_zip(make.noise_members(corpus))
    yield loopback
    loopback.close()


@pytest.fixture
def settings(web, tmp_path):
    """A configuration that needs a little of each part, and the catalogue for it."""
    noise = {"kind": "noise", "format": "zip", "unpacks_to": "wham_noise"}
    parts = [make.part_of(web, name, ARCHIVES[split]) for split, name in make.SUBSETS.items()]
    parts.append(make.part_of(web, "wham_noise", "/wham_noise.zip", **noise))
    rows = [part.model_dump(exclude={"mirrors"}, exclude_none=True) for part in parts]
    with (tmp_path / "here.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    values = {
        "kind": "download",
        "download": {
            "catalogue": str(tmp_path / "here.csv"),
            "speech": {"max_speakers": 3},
            "noise": {"max_files": 8},
        },
    }
    (tmp_path / "download.yaml").write_text(yaml.safe_dump({"corpora": values}))
    return (SMOKE, tmp_path / "download.yaml")


def test_a_dry_run_says_how_much_would_be_fetched(workspace, web, settings):
    said = workspace.succeed("corpora", "-n", config=settings)
    assert "corpora.kind is download: into data" in said
    assert "train-clean-100" in said and "wham_noise" in said and "mixtures: ~" in said
    assert re.search(r"^download +4$", said, re.MULTILINE)
    assert not web.asked and not (workspace.folder / "data").exists()


def test_corpora_are_fetched_in_parts_and_once(workspace, web, settings):
    web.manners = lambda path, number: Manners(drop=100_000 if number == 0 else None)
    listed = [f"results/corpora/scan/{corpus}.csv" for corpus in ("speech", "noise")]
    workspace.succeed(*listed, config=settings)
    speech = read_manifest(workspace / "corpora/scan/speech.csv")
    assert speech.groupby("split")["speaker"].nunique().to_dict() == {
        "train": 3,
        "dev": 3,
        "test": 3,
    }
    assert speech["sex"].isin(["F", "M"]).all()
    assert len(read_manifest(workspace / "corpora/scan/noise.csv")) == 8
    assert web.sent["/wham_noise.zip"] < 0.7 * len(web.files["/wham_noise.zip"])
    log = (workspace / "logs/corpora/download_wham_noise.log").read_text()
    assert "to fetch" in log and "to store" in log
    web.forget()
    again = "results/corpora/download/wham_noise.csv"
    workspace.succeed(again, "--forcerun", "download", config=settings)
    assert not web.asked


def test_an_unknown_part_is_refused_at_once(workspace, settings, tmp_path):
    subsets = {"train": ["train-clean-10"], "dev": ["dev-clean"], "test": ["test-clean"]}
    change = {"corpora": {"download": {"speech": {"subsets": subsets}}}}
    (tmp_path / "change.yaml").write_text(yaml.safe_dump(change))
    done = workspace.run("corpora", config=(*settings, tmp_path / "change.yaml"))
    line = "error: config: corpora.download.speech.subsets.train: 'train-clean-10' is not in the"
    assert done.returncode and line in done.stderr
