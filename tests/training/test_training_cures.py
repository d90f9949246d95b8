"""Error lines about weights and states of a training, with their cures followed."""

import shutil

import pytest
import torch

from pipeline.base.errors import PipelineError
from pipeline.models.weights import load_network, save_weights
from pipeline.training.module import Trainee
from pipeline.training.saving import Best

RATE = 8000
STEP = Trainee.training_step


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


@pytest.fixture
def steps(monkeypatch):
    """The steps that are trained from this point on."""
    made = []
    monkeypatch.setattr(Trainee, "training_step", lambda *given: made.append(1) or STEP(*given))
    return made


def test_damaged_weights_come_back_as_their_line_says(attempt, tmp_path, steps):
    done = attempt(tmp_path, epochs=1).run()
    whole = done.weights.read_bytes()
    done.weights.write_bytes(whole[:-100])
    assert refused(load_network, done.weights, 2, RATE).endswith("; delete it and run again")
    done.weights.unlink()
    done.run()
    assert done.weights.read_bytes() == whole and len(steps) == 6  # taken from state/
    load_network(done.weights, 2, RATE)


def test_weights_that_are_no_numbers_are_trained_again_as_their_line_says(
    attempt, tmp_path, steps, monkeypatch
):
    def save_spoilt(path, network, card):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter *= torch.nan
        save_weights(path, network, card)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.train.save_weights", save_spoilt)
        bad = attempt(tmp_path, epochs=1).run()
    assert len(steps) == 6
    line = refused(load_network, bad.weights, 2, RATE)
    assert line.endswith("; delete it and state/ beside it, and run again")
    bad.weights.unlink()
    shutil.rmtree(bad.state)
    load_network(bad.run().weights, 2, RATE)
    assert len(steps) == 12


def test_a_damaged_best_state_is_left_behind_as_its_line_says(attempt, tmp_path, monkeypatch):
    def teardown(self, *given, **named):
        (tmp_path / "state/best.ckpt").write_bytes(b"torn")

    with monkeypatch.context() as patch:
        patch.setattr(Best, "teardown", teardown)
        torn = attempt(tmp_path, epochs=1)
        assert refused(torn.run) == (
            f"{torn.state / 'best.ckpt'}: damaged; remove {torn.state} to train from the start"
        )
    shutil.rmtree(torn.state)
    assert torn.run().weights.exists()
