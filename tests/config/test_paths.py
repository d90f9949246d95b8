import os
import pwd
from pathlib import Path

import pytest

from pipeline.base.errors import PipelineError
from pipeline.config import Corpora, load_config
from pipeline.config.paths import placed
from pipeline.corpora.catalogue import load_catalogue
from pipeline.corpora.roots import require_roots

MODELS = {
    "denoisers": {"small": {"model": "conv_tasnet"}},
    "separators": {"small": {"model": "conv_tasnet", "conditions": ["clean"]}},
}
PATHS = [
    "corpora.local.speech",
    "corpora.local.noise",
    "corpora.download.folder",
    "corpora.download.catalogue",
    "mixtures.librimix.metadata",
    "denoisers.small.init_from",
    "separators.small.init_from",
    "evaluation.asr.model",
]


def read_back(key, path):
    """The path of a key in the configuration that has this key."""
    values = {
        "corpora": {"local": {"speech": "/s", "noise": "/n"}},
        "evaluation": {"asr": {"engine": "faster_whisper", "model": "/m"}},
        **{role: {"small": dict(model["small"])} for role, model in MODELS.items()},
    }
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = path
    config = load_config(values)
    for part in key.split("."):
        config = config[part] if isinstance(config, dict) else getattr(config, part)
    [single] = config if isinstance(config, list) else [config]
    return single


@pytest.mark.parametrize("key", PATHS)
def test_a_tilde_is_the_home_folder_in_every_path(key, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert read_back(key, "~/data/x") == "/home/me/data/x"
    assert read_back(key, "~") == "/home/me"
    user = pwd.getpwuid(os.getuid())
    assert read_back(key, f"~{user.pw_name}/x") == f"{user.pw_dir}/x"


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize("path", ["data/x/", "./~/x", "a~b", "/a/~", "user/model"])
def test_other_paths_stay_as_they_are_written(key, path):
    assert read_back(key, path) == path


def test_a_home_that_is_not_known_is_one_line():
    with pytest.raises(PipelineError) as error:
        read_back("corpora.download.folder", "~nobody_here/data")
    assert str(error.value) == (
        "config: corpora.download.folder: no home folder is known for '~nobody_here/data'; write"
        " the path without ~"
    )


def test_an_impossible_path_is_refused():
    with pytest.raises(PipelineError, match=r"folder: holds a NUL character, which no path can"):
        read_back("corpora.download.folder", "a\0b")


def test_a_relative_path_is_shown_with_the_folder_it_begins_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert placed("/data/a") == "/data/a"
    assert placed("data/a") == f"data/a (relative to the working folder {tmp_path})"


@pytest.mark.parametrize("missing", ["speech", "noise"])
def test_a_corpus_that_is_not_there_is_told_with_its_place(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    local = {"speech": "here", "noise": "here"} | {missing: "there"}
    with pytest.raises(PipelineError) as error:
        require_roots(Corpora(kind="local", local=local).local)
    assert str(error.value) == (
        f"corpora.local.{missing}: there (relative to the working folder {tmp_path}): no such"
        " folder; write the whole path of the corpus"
    )
    whole = local | {missing: str(tmp_path / "here")}  # as the line says
    require_roots(Corpora(kind="local", local=whole).local)


def roots_of(speech):
    corpora = {"kind": "local", "local": {"speech": speech, "noise": "/n"}}
    return load_config(MODELS | {"corpora": corpora})


def test_a_list_of_roots_is_read_and_dumped_as_a_list(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = roots_of(["~/a", "b"])
    assert config.corpora.local.speech == ["/home/me/a", "b"]
    dumped = config.model_dump(mode="json")
    assert dumped["corpora"]["local"]["speech"] == ["/home/me/a", "b"]
    assert load_config(dumped) == config


@pytest.mark.parametrize("given", ["/a", ["/a"]])
def test_one_root_is_dumped_as_it_always_was(given):
    """The dump is a parameter of the scan: another one would scan again what is there."""
    local = roots_of(given).corpora.model_dump(mode="json")["local"]
    assert (local["speech"], local["noise"]) == ("/a", "/n")


def test_links_to_a_root_are_that_root(tmp_path):
    (tmp_path / "a/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other, line in (("link", "is the same folder as"), ("link/sub", "lies inside")):
        with pytest.raises(PipelineError, match=line):
            roots_of([str(tmp_path / "a"), str(tmp_path / other)])
    assert roots_of([str(tmp_path / "a"), str(tmp_path / "a2")])  # no folder of the other


def test_a_home_in_a_list_that_is_not_known_is_one_line():
    with pytest.raises(PipelineError, match=r"speech: no home folder is known for '~nobody_here'"):
        roots_of(["/a", "~nobody_here"])


def test_a_catalogue_that_is_not_there_is_reported_with_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        PipelineError, match=r"^mine.csv \(relative to the working folder /.*\): no"
    ):
        load_catalogue("mine.csv")
