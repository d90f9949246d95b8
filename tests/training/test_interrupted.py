"""A training killed in the middle of an epoch gives the result of one that was not."""

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.base.errors import PipelineError
from pipeline.models.weights import read_card
from pipeline.training.module import Trainee
from pipeline.training.ranks import STOPS
from pipeline.training.saving import SaveState
from pipeline.training.train import train

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
PART = {"model": "conv_tasnet", "arguments": TINY}

pytestmark = pytest.mark.slow  # dozens of trainings
SETTINGS = {  # epochs have 6 steps
    "plain": {},
    "averaged": {"ema_decay": 0.9},
    "limited": {"max_steps": 8},
    "joint": {
        **{"model": ("chain", {"first": PART, "second": PART}), "inner_weight": 0.3},
        "inner_projection": True,
    },
    "best two": {"average_best": 2, "epochs": 4},
    "by step": {"schedule": "cosine", "warmup_steps": 4, "gradient_clip_percentile": 10.0},
    "dynamic": {"data": "dynamic"},
    "one step an epoch": {"batch_size": 22, "epochs": 5},
    "still": {"gradient_clip": 1e-30, "epochs": 9, "stop_patience": 4, "plateau_patience": 1},
}


def train_until_killed(step, arguments):
    """In a process of its own: SIGKILL directly after the state of `step` is saved."""
    multiprocessing.set_start_method("fork", force=True)  # as in the workflow
    save = SaveState.on_train_batch_start

    def save_and_die(self, trainer, *others):
        save(self, trainer, *others)
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    SaveState.on_train_batch_start = save_and_die
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
        for path in (attempt.state / "tensorboard").glob("events*"):
            # They are read in the order of their names, which contain seconds.
            path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0")))

    return run


@pytest.fixture(scope="module")
def uninterrupted(attempt, tmp_path_factory):
    """The same training run without interruption, once for each of `SETTINGS`."""
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
        ("plain", 5, 0),  # before the last step of an epoch
        ("plain", 12, 0),  # between two epochs
        ("plain", 15, 0),
        ("plain", 10, 2),
        ("averaged", 11, 0),
        ("one step an epoch", 1, 0),
        ("one step an epoch", 3, 2),
        ("averaged", 3, 2),
        ("averaged", 10, 0),
        ("limited", 7, 0),
        ("dynamic", 2, 0),
        ("dynamic", 9, 2),
        ("still", 15, 0),  # the scheduler acts as this epoch ends
        ("still", 20, 0),  # both counters are above zero
        ("joint", 9, 0),
        ("best two", 15, 0),
        ("best two", 20, 0),
        ("by step", 3, 0),
        ("by step", 10, 0),
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
    assert equal(resumed, whole)
    assert facts(resumed) == facts(whole) | {"resumed_at": [step]}
    assert samples(resumed) == samples(whole)
    for tag in ("train_loss", "dev_loss", "dev_si_sdri"):
        assert curve(resumed, tag) == curve(whole, tag)


def equal(one, other):
    one, other = load_file(one.weights), load_file(other.weights)
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def curve(attempt, tag):
    """Steps and values of a TensorBoard curve."""
    events = EventAccumulator(str(attempt.state / "tensorboard")).Reload()
    if tag not in events.Tags()["scalars"]:  # fewer steps than between two points
        return []
    return [(event.step, event.value) for event in events.Scalars(tag)]


def facts(attempt):
    """The card of the weights file without the duration of the training."""
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
    assert equal(resumed.run(), uninterrupted("plain"))
    assert read_card(resumed.weights).training["resumed_at"] == [4, 5, 13]
    assert samples(resumed) == samples(uninterrupted("plain"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("step, saved", [(1, 1), (6, 5), (9, 9)])
def test_a_signal_stops_at_the_next_step(
    attempt, uninterrupted, tmp_path, monkeypatch, number, step, saved
):
    stopped, step_of = attempt(tmp_path), Trainee.training_step

    def signalled(module, *batch):
        if module.trainer.global_step == step - 1:
            os.kill(os.getpid(), number)
        return step_of(module, *batch)

    handlers = [signal.getsignal(n) for n in STOPS]
    with monkeypatch.context() as patch, pytest.raises(PipelineError) as error:
        patch.setattr(Trainee, "training_step", signalled)
        stopped.run()
    assert str(error.value) == (
        f"stopped by {number.name}; its state is saved: run the same command again to go on"
    )
    assert [signal.getsignal(n) for n in STOPS] == handlers
    # A step that ends an epoch is repeated, with everything that follows it.
    assert torch.load(stopped.state / "last.ckpt", weights_only=True)["global_step"] == saved
    assert equal(stopped.run(), uninterrupted("plain"))


def test_random_numbers_continue_too(attempt, tmp_path, monkeypatch):
    step_of = Trainee.training_step

    def dropped_out(module, batch, index):
        if module.trainer.global_step == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        inputs, targets = batch
        return step_of(module, (torch.nn.functional.dropout(inputs, 0.2), targets), index)

    monkeypatch.setattr(Trainee, "training_step", dropped_out)
    stop = None
    whole = attempt(tmp_path / "whole").run()
    stop, stopped = 8, attempt(tmp_path / "stopped")
    with pytest.raises(PipelineError, match="stopped by SIGTERM"):
        stopped.run()
    stop = None
    assert equal(stopped.run(), whole)


@pytest.mark.parametrize("damage", [0, 0.5, "flip"])
def test_a_damaged_state_is_replaced_by_the_one_before(
    attempt, kill, uninterrupted, tmp_path, caplog, damage
):
    resumed = attempt(tmp_path)
    kill(resumed, 9)
    last = resumed.state / "last.ckpt"
    content = bytearray(last.read_bytes())
    if damage == "flip":
        content[::1000] = bytes(byte ^ 1 for byte in content[::1000])
        last.write_bytes(content)
    else:
        last.write_bytes(content[: int(damage * len(content))])
    assert equal(resumed.run(), uninterrupted("plain"))
    assert f"{last}: damaged, so the training goes on from before it" in caplog.text
    assert read_card(resumed.weights).training["resumed_at"] == [8]


def test_damaged_states_make_the_training_begin_again(
    attempt, kill, uninterrupted, tmp_path, caplog
):
    resumed = attempt(tmp_path)
    kill(resumed, 9)
    for name in ("last", "previous"):
        (resumed.state / f"{name}.ckpt").write_bytes(b"torn")
    assert equal(resumed.run(), uninterrupted("plain"))
    assert read_card(resumed.weights).training["resumed_at"] == []


def test_two_states_are_kept_at_most(attempt, kill, tmp_path):
    killed = attempt(tmp_path)
    kill(killed, 10)
    kept = sorted(path.name for path in killed.state.glob("*ckpt*"))
    assert kept == ["best.ckpt", "last.ckpt", "previous.ckpt"]
    steps = [
        torch.load(killed.state / f"{name}.ckpt", weights_only=True)["global_step"]
        for name in ("previous", "last")
    ]
    assert steps == [9, 10]


def test_state_of_another_configuration_is_refused(attempt, kill, tmp_path):
    first = attempt(tmp_path)
    kill(first, 1)
    changes = {
        "seed": {"seed": 8},
        "arguments.H, init_from": {"arguments": first.job.arguments | {"H": 8}, "init_from": "x"},
    }
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
    with pytest.raises(PipelineError, match=r"differs in data, training.learning_rate\)"):
        other.run()
    assert first.run().weights.exists()  # the refused training has not changed the state


@pytest.mark.parametrize("cure", ["restore that configuration", "delete the folder"])
def test_a_training_goes_on_or_starts_afresh_as_its_line_says(attempt, kill, tmp_path, cure):
    kill(attempt(tmp_path), 1)
    other = attempt(tmp_path, epochs=1, learning_rate=0.02)
    with pytest.raises(PipelineError) as error:
        other.run()
    cures = "restore that configuration, or delete the folder to start afresh"
    assert str(error.value).endswith(f"training.learning_rate); {cures}")
    if cure == "delete the folder":
        shutil.rmtree(other.state)
    done = other.run() if cure == "delete the folder" else attempt(tmp_path).run()
    resumed = [] if cure == "delete the folder" else [1]
    assert read_card(done.weights).training["resumed_at"] == resumed
