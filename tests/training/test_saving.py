import math
import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from pipeline.base.errors import PipelineError
from pipeline.models.card import read_card
from pipeline.training.module import Monitor, Trainee
from pipeline.training.saving import MOST_SKIPPED, Best
from pipeline.training.state import State
from pipeline.training.train import memory_in_words, train

STEP = Trainee.training_step
WAYS = {
    "NaN loss": lambda loss: loss * math.nan,
    "infinite loss": lambda loss: loss * math.inf,
    "NaN loss, finite gradients": lambda loss: loss + math.nan,
    "finite loss, NaN gradients": lambda loss: loss + (loss - loss).sqrt(),
}


def spoil(monkeypatch, steps, way="NaN loss"):
    """Let the loss of some steps (from 0) not be a finite number."""

    def step(module, *batch):
        loss = STEP(module, *batch)
        if module.trainer.global_step in steps:
            loss = WAYS[way](loss)
            module.latest_loss = loss.detach()
        return loss

    monkeypatch.setattr(Trainee, "training_step", step)


@pytest.mark.parametrize("way", WAYS)
def test_steps_that_are_not_finite_are_left_out_and_counted(
    attempt, tmp_path, monkeypatch, caplog, way
):
    spoil(monkeypatch, {2, 3, 7}, way)
    spoilt = attempt(tmp_path, epochs=2).run()
    assert spoilt.history["skipped_steps"].tolist() == [2, 3]
    assert spoilt.history["step"].tolist() == [6, 12]
    assert spoilt.history.notna().all(axis=None)
    assert read_card(spoilt.weights).training["skipped_steps"] == 3
    assert [r.message.split(":")[0] for r in caplog.records if "left out" in r.message] == [
        f"step {k} left out" for k in (3, 4, 8)
    ]


def test_a_step_left_out_changes_no_weight_and_no_momentum(attempt, tmp_path, monkeypatch):
    after = {}

    def note(self, trainer, module, outputs, batch, index):
        optimiser = trainer.optimizers[0].state_dict()["state"]
        moments = [t for state in optimiser.values() for t in state.values()]
        tensors = [*module.state_dict().values(), *moments]
        after[trainer.global_step] = [t.clone() for t in tensors]

    monkeypatch.setattr("pipeline.training.callbacks.StepLimit.on_train_batch_end", note)
    spoil(monkeypatch, {3})
    attempt(tmp_path, epochs=1, max_steps=99).run()
    assert len(after) == 6
    same = [
        all(torch.equal(a, b) for a, b in zip(after[k], after[k + 1], strict=True))
        for k in range(1, 6)
    ]
    assert same == [False, False, True, False, False]


def test_a_few_such_steps_in_a_row_end_the_training(attempt, tmp_path, monkeypatch):
    ill = attempt(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(PipelineError) as error:
        spoil(patch, range(8, 99))
        ill.run()
    assert MOST_SKIPPED == 5
    assert str(error.value) == (
        "loss or gradients are NaN or infinite in 5 steps in a row, up to step 13; the weights"
        f" before them are kept in {ill.state / 'last.ckpt'}; lower training.learning_rate and"
        f" remove {ill.state} to start again, or look for the cause in the training data"
    )
    kept = torch.load(ill.state / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 13
    assert all(t.isfinite().all() for t in kept["state_dict"].values())
    done = ill.run()  # its loss is finite again
    assert done.history["skipped_steps"].tolist() == [0, 4, 5]
    assert done.history["step"].tolist() == [6, 12, 18]


def test_such_a_training_starts_again_as_its_line_says(attempt, tmp_path, monkeypatch):
    ill = attempt(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(PipelineError) as error:
        spoil(patch, range(8, 99))
        ill.run()
    assert f"lower training.learning_rate and remove {ill.state} to start again" in str(error.value)
    shutil.rmtree(ill.state)
    again = attempt(tmp_path, learning_rate=0.001, epochs=1).run()
    assert again.history["skipped_steps"].tolist() == [0]


def test_steps_left_out_are_counted_across_attempts(attempt, tmp_path, monkeypatch):
    spoil(monkeypatch, {1, 14})
    whole = attempt(tmp_path / "whole").run()
    resumed = attempt(tmp_path / "resumed")
    with monkeypatch.context() as patch, pytest.raises(PipelineError):
        spoil(patch, {1, *range(8, 99)})
        resumed.run()
    curve = resumed.run().history
    assert curve["skipped_steps"].tolist() == [1, 5, 7]
    pd.testing.assert_series_equal(curve["step"], whole.history["step"])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("score", [None, torch.tensor(3.5)])
def test_the_best_score_is_known_where_the_folder_was_moved_to(tmp_path, score, count):
    before, after = (Best(State(tmp_path / name), Monitor(), count) for name in ("old", "new"))
    old, new = (str(tmp_path / name / "best-3.ckpt") for name in ("old", "new"))
    if score is not None:
        before.best_model_score = before.kth_value = score
        before.best_model_path = before.kth_best_model_path = old
        before.best_k_models = {old: score}
    after.load_state_dict(before.state_dict())
    assert after.best_model_score == score
    assert after.best_k_models == ({new: score} if score is not None else {})
    assert after.best_model_path == after.kth_best_model_path == (new if score is not None else "")
    assert [str(path) for path in after.files] == ([new] if score is not None else [])
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    assert after.check_monitor_top_k(trainer, torch.tensor(4.0))
    better = bool(after.check_monitor_top_k(trainer, torch.tensor(3.0)))
    assert better == (score is None or count == 2)


def test_a_trained_model_is_not_trained_again(attempt, tmp_path, monkeypatch):
    done = attempt(tmp_path, epochs=1).run()
    kept = [path.read_bytes() for path in (done.weights, done.curve)]
    for path in (done.weights, done.curve):
        path.unlink()  # as Snakemake does before it rebuilds an output
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.train._fit", None)
        done.run()
    assert [path.read_bytes() for path in (done.weights, done.curve)] == kept


@pytest.mark.parametrize("change", ["settings", "data", "damage", "torn", "code", "init"])
def test_it_is_trained_again_after_any_other_request(attempt, tmp_path, monkeypatch, change):
    done = attempt(tmp_path, epochs=1).run()
    other = attempt(tmp_path, epochs=1, learning_rate=0.02 if change == "settings" else 0.01)
    if change == "data":
        table = other.examples[0].table
        other.examples[0].table["gain"] = range(len(table))
    if change == "damage":
        path = done.state / "finished.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
    if change == "torn":
        for name in ("finished", "job"):
            (done.state / f"{name}.json").write_text("")
    if change == "code":
        monkeypatch.setattr("pipeline.training.state.LIBRARIES", ("torch",))
    done.weights.unlink()
    steps = []
    monkeypatch.setattr(Trainee, "training_step", lambda *given: steps.append(1) or STEP(*given))
    if change == "init":
        start = tmp_path / "start.safetensors"
        start.write_bytes((done.state / "finished.safetensors").read_bytes())
        arguments = list(other.arguments())
        arguments[0] = type(other.job)(**(vars(other.job) | {"init_from": str(start)}))
        train(*arguments)
    else:
        other.run()
    assert len(steps) == 6 and done.weights.exists()


def test_two_processes_do_not_train_in_one_folder(tmp_path, caplog):
    first, entered, leave, order = State(tmp_path), threading.Event(), threading.Event(), []

    def hold():
        with first.alone():
            entered.set()
            leave.wait(30)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(30)
    threading.Timer(0.5, leave.set).start()
    with State(tmp_path).alone():
        order.append("second")
    holder.join()
    assert order == ["first", "second"]
    assert f"{tmp_path}: another process trains here; waiting for its end" in caplog.text


def refuse(error):
    raise error


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.empty(10**15),
        lambda: refuse(torch.OutOfMemoryError("CUDA out of memory")),
        lambda: refuse(MemoryError()),
    ],
)
def test_short_memory_is_one_line_with_cures_that_work(attempt, tmp_path, monkeypatch, ask):
    """Also after a state was saved, with a configuration that needs too much memory."""

    def step(module, batch, index):
        enough = batch[0].shape[0] <= 2 or batch[0].shape[1] <= 2000 or index < 2
        return STEP(module, batch, index) if enough else ask()

    monkeypatch.setattr(Trainee, "training_step", step)
    state = tmp_path / "state"
    for cure in ({"batch_size": 2}, {"segment_seconds": 0.25}):
        with pytest.raises(PipelineError) as error:
            attempt(tmp_path, epochs=1).run(save_seconds=0)
        assert str(error.value) == (
            "out of memory in training: lower training.batch_size (4) or training.segment_seconds"
            f" (0.5), and remove {state} to start again"
        )
        assert (state / "last.ckpt").exists()
        shutil.rmtree(state)
        assert attempt(tmp_path, epochs=1, **cure).run().weights.exists()
        shutil.rmtree(state)


def test_other_errors_are_not_changed():
    with pytest.raises(RuntimeError, match="shapes"), memory_in_words(None, Path()):
        raise RuntimeError("shapes differ")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_short_memory_of_a_gpu_is_one_line(attempt, tmp_path):
    with pytest.raises(PipelineError, match=r"lower training.batch_size \(4\)"):
        attempt(tmp_path, segment_seconds=1e5).run(device="cuda")
