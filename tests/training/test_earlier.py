"""Models in the folders of an earlier version."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.base.errors import PipelineError
from pipeline.training.earlier import move_earlier
from pipeline.training.state import program


def old_model(results, place, **facts):
    """A finished training in an old folder, with the files that are checked."""
    state = results / "models" / place / "state"
    state.mkdir(parents=True)
    for name in ("model.safetensors", "history.csv"):
        (state.parent / name).write_text("old")
    ended = {"job": facts, "programs": [{"code": "old"}], "weights": "w", "history": "h"}
    (state / "finished.json").write_text(json.dumps(ended))
    (state / "job.json").write_text(json.dumps({"facts": facts, "programs": [{"code": "old"}]}))


def test_every_model_has_its_new_place_and_the_facts_of_this_version(tmp_path):
    old_model(tmp_path, "denoisers/net", role="denoiser", seed=3)
    old_model(tmp_path, "separators/net/denoised-net", role="separator", seed=4)
    [line] = move_earlier(tmp_path, asks=False)
    assert line.startswith(f"{tmp_path}: was made by an earlier version; 2 models are moved")
    places = {
        "denoise/net/noisy/0": {"task": "denoise", "seed": 3},
        "separate/net/denoised-net/0": {"task": "separate", "seed": 4},
    }
    for place, facts in places.items():
        model = tmp_path / "models" / place
        ended = json.loads((model / "state/finished.json").read_text())
        assert (ended["job"], ended["programs"]) == (facts, [program()])
        assert json.loads((model / "state/job.json").read_text())["facts"] == facts
        assert not (model / "model.safetensors").exists()  # its job restores it
    assert list(move_earlier(tmp_path, asks=False)) == []


def test_a_question_moves_nothing(tmp_path):
    old_model(tmp_path, "denoisers/net", role="denoiser")
    [line] = move_earlier(tmp_path, asks=True)
    assert "1 models would be moved" in line
    assert (tmp_path / "models/denoisers/net/model.safetensors").exists()


def test_a_model_in_both_places_is_left_alone_until_one_is_removed(tmp_path):
    old_model(tmp_path, "denoisers/net", role="denoiser")
    new = tmp_path / "models/denoise/net/noisy/0"
    new.mkdir(parents=True)
    with pytest.raises(PipelineError) as error:
        list(move_earlier(tmp_path, asks=False))
    old = tmp_path / "models/denoisers/net"
    assert str(error.value) == f"{new}: is there already; remove it or {old}, and run again"
    assert (old / "model.safetensors").exists()
    shutil.rmtree(new)
    assert len(list(move_earlier(tmp_path, asks=False))) == 1
    assert (new / "state/finished.json").exists()


def test_only_outputs_that_are_rebuilt_are_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results, elsewhere = Path("results"), tmp_path / "elsewhere"
    old_model(results, "denoisers/net", role="denoiser")
    kept = ["scores/asr/reference/1-of-1.csv", "scores/mine.txt", "estimates/mine/x.wav"]
    gone = ["scores/asr/mixture/1-of-1.csv", "estimates/denoised/net/test/estimates.csv"]
    gone += ["estimates/latency.csv", "logs/training/denoiser_net.log.outputs.json"]
    for name in (*kept, *gone):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("x")
    elsewhere.mkdir()
    (elsewhere / "x.wav").write_text("x")
    (results / "estimates/separated").symlink_to(elsewhere)
    list(move_earlier(results, asks=False))
    assert all((results / name).exists() for name in kept)
    assert not any((results / name).exists() for name in gone)
    assert (elsewhere / "x.wav").exists() and not (results / "estimates/separated").exists()
