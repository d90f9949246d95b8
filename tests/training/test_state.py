"""The inputs that identify a finished training, and the files that it restores."""

import shutil
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from pipeline.base.errors import PipelineError
from pipeline.models.card import read_card
from pipeline.training.module import Trainee
from pipeline.training.state import PACKAGE, program

pytestmark = pytest.mark.slow  # dozens of trainings


@pytest.mark.parametrize(
    "file",
    [
        "audio/files.py",
        "models/devices.py",
        "mixtures/render.py",
        "models/conv_tasnet/network.py",
        "models/conv_tasnet/_kernels.c",
        "tasks/__init__.py",
        "losses/spectral.py",
    ],
)
def test_a_change_of_any_file_that_computes_is_another_program(tmp_path, file):
    unwanted = shutil.ignore_patterns("*.so", "__pycache__")
    package = shutil.copytree(PACKAGE, tmp_path / "pipeline", ignore=unwanted)
    assert program(package) == program()
    path = package / file
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    changed = program(package)
    assert changed["code"] != program()["code"]
    assert changed["libraries"] == program()["libraries"]


def test_a_change_of_an_extension_is_another_program(tmp_path):
    (mine := tmp_path / "mine.py").write_text("UNITS = 32\n", encoding="utf-8")
    before = program(extensions=[mine])
    assert before["code"] != program()["code"]
    mine.write_text("UNITS = 64\n", encoding="utf-8")
    assert program(extensions=[mine])["code"] != before["code"]


def left_by(attempt):
    """Everything that a training leaves beside its outputs."""
    folders = attempt.folder / "samples", attempt.state / "tensorboard"
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*.*")}


def stop_after(attempt, monkeypatch, steps):
    """Run a training that is stopped by a signal."""

    def step(module, *batch):
        if module.trainer.global_step == steps:
            raise PipelineError("enough")
        return STEP(module, *batch)

    with monkeypatch.context() as patch, pytest.raises(PipelineError, match="enough"):
        patch.setattr(Trainee, "training_step", step)
        attempt.run(save_seconds=0)


STEP = Trainee.training_step


def test_samples_and_curves_come_back_with_the_weights(attempt, tmp_path, monkeypatch):
    done = attempt(tmp_path, epochs=1).run()
    left, weights = left_by(done), done.weights.read_bytes()
    done.weights.unlink()
    other = attempt(tmp_path, epochs=2, learning_rate=0.02)
    stop_after(other, monkeypatch, 7)
    assert left_by(other) != left  # its first epoch has ended
    events = set((other.state / "tensorboard").glob("events*"))
    assert events and not events & left.keys()  # no curves of an earlier training
    attempt(tmp_path, epochs=1).run()
    assert done.weights.read_bytes() == weights and left_by(done) == left


def test_a_training_continued_by_another_program_says_so(attempt, tmp_path, monkeypatch, caplog):
    stop_after(attempt(tmp_path), monkeypatch, 4)
    before = program()
    changed = {**before, "code": "other"}
    monkeypatch.setattr("pipeline.training.state.program", lambda **_: changed)
    done = attempt(tmp_path).run()
    assert (
        f"{done.state}: this training began with another program (differs in code) and goes on with"
        " the present one; delete the folder to train from the start"
    ) in caplog.text
    assert read_card(done.weights).training["programs"] == [before, changed]
    mixed = load_file(done.weights)
    done.weights.unlink()
    done.run()  # the present program did not train all of it
    assert read_card(done.weights).training["programs"] == [changed]
    assert mixed.keys() == load_file(done.weights).keys()


def test_one_program_is_recorded_once_however_often_it_resumes(attempt, tmp_path, monkeypatch):
    stop_after(attempt(tmp_path), monkeypatch, 2)
    stop_after(attempt(tmp_path), monkeypatch, 4)
    done = attempt(tmp_path).run()
    assert read_card(done.weights).training["programs"] == [program()]


def test_a_change_of_the_last_file_trains_again(attempt, tmp_path):
    done = attempt(tmp_path, epochs=1).run()
    other = attempt(tmp_path, epochs=1)
    table = other.examples[0].table.copy()
    table.loc[table.index[-1], "digest"] = "another sound"
    other.examples[0] = replace(other.examples[0], table=table)
    steps = []

    def count(module, *batch):
        steps.append(1)
        return STEP(module, *batch)

    done.weights.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainee, "training_step", count)
        other.run()
    assert len(steps) == 6


def test_a_state_with_a_damaged_job_file_is_not_used(attempt, tmp_path, monkeypatch):
    stop_after(attempt(tmp_path), monkeypatch, 4)
    for torn in ("", "[1]", "{}"):
        (tmp_path / "state/job.json").write_text(torn)
        with pytest.raises(PipelineError, match="holds an unfinished training of another"):
            attempt(tmp_path).run()
    shutil.rmtree(tmp_path / "state")  # as the line says
    assert attempt(tmp_path).run().weights.exists()


def test_states_that_an_ended_training_left_are_forgotten(attempt, tmp_path):
    done = attempt(tmp_path, epochs=1).run()
    done.weights.unlink()
    for name in ("last", "best"):  # as after a kill just after its end
        (done.state / f"{name}.ckpt").write_bytes(b"left")
    attempt(tmp_path, epochs=1).run()
    assert done.weights.exists() and not list(done.state.glob("*.ckpt"))
    attempt(tmp_path, epochs=1, learning_rate=0.02).run()
