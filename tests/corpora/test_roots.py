"""Several roots side by side: which folders count, and names that stand in more than one."""

import os
import shutil

import pytest
from roots import Roots
from served import GENUINE

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest
from pipeline.config import SPLITS, Corpora, Mixtures
from pipeline.corpora.apart import root_labels
from pipeline.corpora.changes import files_of, look_at, write_files
from pipeline.corpora.convert import convert_shard
from pipeline.corpora.roots import corpus_subsets
from pipeline.corpora.scan import scan_speech
from pipeline.mixtures.plan import draw_plan


@pytest.fixture
def roots(corpus, tmp_path):
    return Roots(corpus, tmp_path)


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


def test_speakers_of_one_name_are_two(roots):
    roots.other.speak("train", "p225", text="MINE")
    roots.other.speak("train", "1001", 5)
    (roots.other.speech / "SPEAKERS.TXT").write_text("1001 | M | x\n1002 | M | x\np225 | F | x\n")
    train = roots.scan().query("split == 'train'").set_index("utterance")
    assert dict(train["speaker"]) == {
        "1001-7-0000@LibriSpeech": "1001@LibriSpeech",
        "1002-7-0000@LibriSpeech": "1002@LibriSpeech",
        "1001-7-0000@Mine": "1001@Mine",
        "1001-7-0005": "1001@Mine",  # a name of one root alone
        "1002-7-0000@Mine": "1002@Mine",
        "p225-7-0000": "p225",
    }
    assert dict(zip(train["speaker"], train["sex"], strict=True)) == {
        "1001@LibriSpeech": "M",
        "1002@LibriSpeech": "F",
        "1001@Mine": "M",
        "1002@Mine": "M",
        "p225": "F",
    }
    assert train["transcript"]["p225-7-0000"] == "MINE"
    for name, path in train["path"].items():
        assert ("@Mine" in name or name in ("p225-7-0000", "1001-7-0005")) == ("/Mine/" in path)


def test_a_speaker_name_in_two_splits_of_two_roots_is_no_error(roots):
    roots.other.speak("dev", "1001", 3)
    for file in (roots.other.speech / "train-clean/1001/7").iterdir():
        file.unlink()
    table = roots.scan().set_index("speaker")["split"]
    assert (table["1001@LibriSpeech"], table["1001@Mine"]) == ("train", "dev")
    roots.other.speak("train", "1001", 4)  # of one root it is
    assert refused(roots.scan).startswith("corpora: speaker 1001@Mine is in train and dev; ")


def test_a_mixture_may_hold_both_and_they_are_converted_apart(roots):
    for kind in ("speech", "noise"):
        table = roots.scan(kind)
        convert_shard(roots.folder / f"scan/{kind}.csv", roots.folder / kind, "1-of-1", 8000)
        made = read_manifest(roots.folder / f"{kind}/index.csv")
        assert made["path"].nunique() == made["digest"].nunique() == len(table)
    settings = Mixtures(
        num_speakers=4, min_seconds=0.5, counts={"train": 1, "dev": 1, "test": 1}, mode="max"
    )
    inputs = (roots.folder / f"{kind}/index.csv" for kind in ("speech", "noise"))
    draw_plan(*inputs, [roots.folder / "plan.csv"], "train", settings, 0, 8000)
    row = read_manifest(roots.folder / "plan.csv").iloc[0]
    assert {row[f"source_{k}_speaker"] for k in (1, 2, 3, 4)} == {
        f"{name}@{root}" for name in ("1001", "1002") for root in ("LibriSpeech", "Mine")
    }


def test_noises_of_one_name_are_two(roots):
    roots.other.hiss("train", "street/rain")
    train = roots.scan("noise").query("split == 'train'")
    assert list(train["noise"]) == [
        *("long@wham_noise", "short@wham_noise"),
        *("long@my_noise", "short@my_noise", "street_rain"),
    ]


def test_one_root_keeps_its_names(roots):
    table = roots.scan()
    roots.listed.remove(roots.other)
    alone = roots.scan()
    assert set(alone["speaker"]) == {f"{split}00{k}" for split in (1, 2, 3) for k in (1, 2)}
    assert list(alone.columns) == list(table.columns)


def test_roots_with_folders_of_one_name_are_numbered(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a/Corpus")
    paths = [tmp_path / "b/Corpus", tmp_path / "link", tmp_path / "Other"]
    assert list(root_labels(paths).values()) == ["Corpus1", "Corpus2", "Other3"]
    assert root_labels(paths[1:]) == {paths[1]: "Corpus", paths[2]: "Other"}


def test_names_are_compared_in_composed_form(roots):
    roots.one.speak("train", "Jos\u00e9")
    roots.other.speak("train", "Jose\u0301")
    assert {"Jos\u00e9@LibriSpeech", "Jose\u0301@Mine"} <= set(roots.scan()["speaker"])


def test_each_root_has_the_subsets_that_it_has(roots):
    (roots.other.speech / "train-clean").rename(roots.other.speech / "other-train")
    (roots.one.speech / "dev-clean").rename(roots.folder / "away")
    shutil.rmtree(roots.other.noise / "tt")
    roots.subsets = roots.subsets | {"train": ["train-clean", "other-train"]}
    found = roots.scan().groupby("split")["path"].agg(list)
    assert ["/Mine/" in path for path in found["train"]] == [False, False, True, True]
    assert ["/Mine/" in path for path in found["dev"]] == [True, True]
    assert set(roots.scan("noise").query("split == 'test'")["noise"]) == {
        *("long@wham_noise", "short@wham_noise")
    }


@pytest.mark.parametrize("kind, name", [("speech", "dev-clean"), ("noise", "cv")])
def test_a_subset_that_is_in_no_root(roots, kind, name):
    folders = [getattr(each, kind) / name for each in (roots.one, roots.other)]
    for folder in folders:
        folder.rename(folder.with_name("away"))
    cure = {
        "speech": "check corpora.local.speech and corpora.local.subsets",
        "noise": "corpora.local.noise must hold {tr,cv,tt}/*.wav",
    }
    assert refused(roots.scan, kind) == f"{folders[0]}, {folders[1]}: no such folder; {cure[kind]}"
    folders[1].with_name("away").rename(folders[1])
    roots.scan(kind)


@pytest.mark.parametrize("kind, cure", [("speech", "subsets"), ("speech", "out"), ("noise", "own")])
def test_a_root_of_which_nothing_is_taken(roots, kind, cure):
    root = getattr(roots.other, kind)
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        folder.rename(root / f"my-{folder.name}")
    names, own = {
        "speech": (
            "train-clean, dev-clean, test-clean",
            "add its own folders to corpora.local.subsets",
        ),
        "noise": ("tr, cv, tt", "sort its recordings into them"),
    }[kind]
    assert refused(roots.scan, kind) == (
        f"corpora.local.{kind}: {root}: has none of the folders {names}; {own}, or take it out of"
        " the list"
    )
    if cure == "subsets":
        roots.subsets = roots.subsets | {"train": ["train-clean", "my-train-clean"]}
    elif cure == "own":
        (root / "my-tr").rename(root / "tr")
    else:
        roots.listed.remove(roots.other)
    roots.scan(kind)


def test_a_name_that_is_another_one_with_its_root(roots):
    taken = roots.one.speak("train", "1001@Mine")
    message = refused(roots.scan)
    assert message == (
        f"{roots.other.speech}/train-clean/1001/7/1001-7-0000.flac: the name 1001@Mine with its"
        f" root added is that of {taken}; rename one of the two roots"
    )
    roots.other.speech = roots.other.speech.rename(roots.folder / "other/Ours")
    assert {"1001@Ours", "1001@Mine", "1001@LibriSpeech"} <= set(roots.scan()["speaker"])


def test_one_recording_in_two_roots_by_a_link(roots):
    """A link would make one speaker two."""
    link = roots.other.speech / "train-clean"
    shutil.rmtree(link)
    link.symlink_to(roots.one.speech / "train-clean")
    assert refused(roots.scan).startswith(
        f"{link}/1001/7/1001-7-0000.flac: stands twice in the corp"
    )
    link.unlink()
    assert len(roots.scan().query("split == 'train'")) == 2


def look(roots, kind):
    return look_at(roots.corpora, kind, roots.folder / f"{kind}.files.csv", [])


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_files_of_every_root_are_looked_at(roots, kind):
    write_files(files_of(roots.corpora, kind), roots.folder / f"{kind}.files.csv")
    before = look(roots, kind)
    assert before.line is None
    files = sorted(
        p for p in getattr(roots.other, kind).rglob("*") if p.suffix in (".wav", ".flac")
    )
    os.utime(files[0], (1, 1))
    found = look(roots, kind)
    assert "1 changed" in found.line and found.state != before.state
    getattr(roots.other, kind).rename(roots.folder / "away")  # a disk that is gone
    found = look(roots, kind)
    assert found.state == before.state and found.line.endswith("its last scan is used")


def test_a_new_root_that_is_not_there_is_refused_before_anything_is_lost(roots):
    roots.listed.remove(roots.other)
    write_files(files_of(roots.corpora, "speech"), roots.folder / "speech.files.csv")
    roots.listed.append(roots.other)
    roots.other.speech.rename(roots.folder / "away")
    with pytest.raises(PipelineError, match=r"local\.speech: .*/other/Mine: no such folder"):
        look(roots, "speech")


@pytest.mark.skipif(not GENUINE.exists(), reason="no genuine recordings at hand")
def test_genuine_corpora_side_by_side(tmp_path):
    """LibriSpeech, speechocean762 and VCTK's readers among others; no name stands twice."""
    local = {
        "speech": [str(GENUINE / name) for name in ("LibriSpeech", "SpeechOcean", "ExtraSpeech")],
        "noise": str(GENUINE / "wham_noise"),
        "subsets": {split: [f"mini-{split}", f"so-{split}"] for split in SPLITS}
        | {"train": ["mini-train", "so-train", "mini-extra"]},
    }
    corpora = Corpora(kind="local", local=local)
    scan_speech(corpus_subsets(corpora, "speech", tmp_path), 3, tmp_path / "speech.csv")
    table = read_manifest(tmp_path / "speech.csv")
    assert table["utterance"].nunique() == len(table) == 1711
    speakers = table.groupby("split")["speaker"].nunique()
    assert dict(speakers) == {"train": 235 + 91 + 29, "dev": 11 + 10, "test": 12 + 16}
    ocean = table[table["subset"].str.startswith("so-")]
    assert ocean["sex"].notna().all() and ocean["transcript"].notna().all()
    assert not table["speaker"].str.contains("@").any()
