"""Models from the Hugging Face hub, without a network."""

import hashlib
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.base.errors import PipelineError
from pipeline.evaluation.hub import fetch_model

MODEL = {name: name.encode() for name in ("model.bin", "config.json", "tokenizer.json")}


def refused(*arguments):
    with pytest.raises(PipelineError) as error:
        fetch_model(*arguments)
    return str(error.value)


def test_a_model_of_the_hub_is_fetched_with_a_list_of_its_files(tmp_path, monkeypatch):
    asked = []

    def snapshot_download(name, allow_patterns, local_dir):
        asked.append(name)
        if name == "me/gone":
            raise OSError("404 Client Error\nmore")
        local_dir.mkdir()
        files = MODEL if name == "me/whisper" else {"model.bin": b"of another kind"}
        for file, content in files.items():
            (local_dir / file).write_bytes(content)

    hub = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert refused("me/gone", tmp_path / "none") == (
        "me/gone: cannot be fetched from the Hugging Face hub (404 Client Error); check the name"
        " and the connection, or give the folder of a model as evaluation.asr.model"
    )
    assert "has no config.json" in refused("me/other", tmp_path / "other")
    fetch_model("me/whisper", tmp_path / "model")
    table = pd.read_csv(tmp_path / "model/files.csv").set_index("file")
    assert table["sha256"].to_dict() == {
        name: hashlib.sha256(content).hexdigest() for name, content in MODEL.items()
    }
    assert asked == ["me/gone", "me/other", "me/whisper"]
