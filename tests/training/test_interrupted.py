"""A training killed in the middle of an epoch ends as one that was not."""

import multiprocessing
import os
import signal
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import PipelineError
from pipeline.models.weights import read_card
from pipeline.training.callbacks import SaveState
from pipeline.training.train import train

SETTINGS = {  # epochs have 6 steps
    "plain": {},
    "averaged": {"ema_decay": 0.9},
    "limited": {"max_steps": 8},
    "dynamic": {"data": "dynamic"},
    "still": {"gradient_clip": 1e-30, "epochs": 9, "stop_patience": 4, "plateau_patience": 1},
}


def train_until_killed(step, arguments):
    """In a process of its own: SIGKILL right after the state of `step` is saved."""
    save = SaveState.on_train_batch_end

    def save_and_die(self, trainer, *others):
        save(self, trainer, *others)
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    SaveState.on_train_batch_end = save_and_die
    train(*arguments)


@pytest.fixture(scope="module")
def kill():
    """`kill(attempt, step, workers)` runs an attempt to that step, and no further."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.training.train"])

    def run(attempt, step, workers=0):
        arguments = attempt.arguments(save_seconds=0, loader_workers=workers)
        process = context.Process(target=train_until_killed, args=(step, arguments))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert not attempt.weights.exists()

    return run


@pytest.fixture(scope="module")
def uninterrupted(attempt, tmp_path_factory):
    """The same training run in one go, once for each of `SETTINGS`."""
    done = {}

    def run(name):
        if name not in done:
            done[name] = attempt(tmp_path_factory.mktemp(name), **SETTINGS[name]).run()
        return done[name]

    return run


@pytest.mark.parametrize(
    "name, step, workers",
    [
        ("plain", 2, 0),
        ("plain", 2, 2),
        ("plain", 15, 0),
        ("plain", 10, 2),
        ("averaged", 3, 2),
        ("averaged", 10, 0),
        ("limited", 7, 0),
        ("dynamic", 2, 0),
        ("dynamic", 9, 2),
        ("still", 15, 0),  # the scheduler acts as this epoch ends
        ("still", 20, 0),  # both counters are past zero
    ],
)
def test_resumed_training_ends_as_if_never_killed(
    attempt, kill, uninterrupted, tmp_path, name, step, workers
):
    resumed, whole = attempt(tmp_path, **SETTINGS[name]), uninterrupted(name)
    kill(resumed, step, workers)
    assert torch.load(resumed.state / "last.ckpt", weights_only=True)["global_step"] == step
    resumed.run(loader_workers=workers)

    histories = [run.history.drop(columns="seconds") for run in (resumed, whole)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert resumed.history["seconds"].is_monotonic_increasing
    found, expected = load_file(resumed.weights), load_file(whole.weights)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[n], expected[n]) for n in expected)
    assert facts(resumed) == facts(whole) | {"resumed_at": [step]}
    assert samples(resumed) == samples(whole)


def facts(attempt):
    """What the weights file says of the training, but how long it took."""
    training = read_card(attempt.weights).training
    best = {key: value for key, value in training["best"].items() if key != "seconds"}
    return {key: training[key] for key in training if key != "seconds"} | {"best": best}


def samples(attempt):
    return {path.name: path.read_bytes() for path in (attempt.folder / "samples").iterdir()}


def test_training_killed_twice(attempt, kill, uninterrupted, tmp_path):
    resumed = attempt(tmp_path)
    kill(resumed, 4)
    kill(resumed, 5)
    kill(resumed, 13)
    found, expected = load_file(resumed.run().weights), load_file(uninterrupted("plain").weights)
    assert all(torch.equal(found[n], expected[n]) for n in expected)
    assert read_card(resumed.weights).training["resumed_at"] == [4, 5, 13]
    assert samples(resumed) == samples(uninterrupted("plain"))


def test_state_of_another_configuration_is_refused(attempt, kill, tmp_path):
    first = attempt(tmp_path)
    kill(first, 1)
    changes = {"seed": {"seed": 8}, "arguments, init_from": {"arguments": {}, "init_from": "x"}}
    for keys, change in changes.items():
        other = attempt(tmp_path)
        other.job = replace(other.job, **change)
        with pytest.raises(PipelineError, match=rf"\(differs in {keys}\); .*delete") as error:
            other.run()
        assert str(first.state) in str(error.value) and "\n" not in str(error.value)
    other = attempt(tmp_path)
    other.job = replace(other.job, mixtures={"num_speakers": 2})
    with pytest.raises(PipelineError, match=r"differs in mixtures\)"):
        other.run()
    other = attempt(tmp_path, learning_rate=0.02)
    other.examples.reverse()
    with pytest.raises(PipelineError, match=r"differs in data, training\)"):
        other.run()
    assert first.run().weights.exists()  # what was refused has not spoilt the state
