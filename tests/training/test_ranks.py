"""Two processes that train together give the result of one process."""

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from training.failing import die_of

from pipeline.base.errors import PipelineError
from pipeline.config import Training
from pipeline.models.card import read_card
from pipeline.training.data import EpochSampler, Share
from pipeline.training.dynamic import FreshSampler
from pipeline.training.module import TrainingData
from pipeline.training.ranks import in_ranks
from pipeline.training.train import _refuse_idle

pytestmark = pytest.mark.slow  # processes of their own, with torch each
EVEN = {"batch_size": 2, "epochs": 2}  # 22 pieces: 11 whole batches


@pytest.mark.parametrize("sampler", [EpochSampler, FreshSampler])
@pytest.mark.parametrize(
    "size, batch, ranks", [(24, 4, 2), (22, 4, 2), (21, 6, 3), (7, 4, 4), (1, 4, 4)]
)
def test_devices_together_use_the_batches_of_one(sampler, size, batch, ranks):
    one = list(sampler(size, 3, 5))
    shares = [list(sampler(size, 3, 5, 0, Share(k, ranks))) for k in range(ranks)]
    assert all(len(share) == len(sampler(size, 3, 5, 0, Share(0, ranks))) for share in shares)
    part = batch // ranks
    for number, start in enumerate(range(0, size, batch)):
        whole = one[start : start + batch]
        parts = [share[number * part : (number + 1) * part] for share in shares]
        together = sorted(item for items in parts for item in items)
        made_up = (one * ranks)[: -len(whole) % ranks]
        assert together == sorted(whole + made_up)


def test_devices_continue_where_one_would():
    whole = [list(EpochSampler(24, 3, 5, 0, Share(k, 2))) for k in range(2)]
    resumed = [list(EpochSampler(24, 3, 5, 8, Share(k, 2))) for k in range(2)]
    assert resumed == [items[4:] for items in whole]


@pytest.fixture(scope="module")
def together(attempt, tmp_path_factory):
    """A training of two devices that nothing disturbed."""
    return attempt(tmp_path_factory.mktemp("together"), **EVEN).run(devices=2)


@pytest.mark.parametrize("data", ["rendered", "dynamic"])
def test_two_devices_give_the_loss_curve_of_one(attempt, together, tmp_path, data):
    one = attempt(tmp_path / "one", data=data, **EVEN).run()
    two = together
    if data == "dynamic":
        two = attempt(tmp_path / "two", data=data, **EVEN).run(devices=2)
    curves = [run.history.drop(columns="seconds") for run in (one, two)]
    pd.testing.assert_frame_equal(*curves, rtol=1e-3, atol=1e-3)
    found, expected = load_file(two.weights), load_file(one.weights)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-2, atol=1e-3)
    assert read_card(two.weights).training["devices"] == 2


def test_a_training_of_two_devices_stops_at_a_signal_and_continues(attempt, together, tmp_path):
    stopped = attempt(tmp_path / "stopped", **EVEN)
    stops = pytest.raises(PipelineError, match=r"stopped by SIGTERM; its state is saved")
    with once_saved(stopped.state / "last.ckpt", stop_all), stops:
        stopped.run(devices=2, save_seconds=0)
    stopped.run(devices=2)
    curves = [run.history.drop(columns="seconds") for run in (together, stopped)]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


@pytest.mark.parametrize(
    "cause, line",
    [("the disk is full", "the disk is full"), ("signal", "process 1 of 2 .* killed by SIGKILL")],
)
def test_one_failing_process_ends_all(cause, line):
    begin = time.monotonic()
    with pytest.raises(PipelineError, match=line):
        in_ranks(2, die_of, 1, cause)
    assert time.monotonic() - begin < 50


def test_more_devices_than_dev_recordings_are_refused(attempt, tmp_path):
    with pytest.raises(PipelineError) as error:
        attempt(tmp_path, batch_size=3).run(devices=3)
    assert str(error.value) == (
        "training.devices: 3 is more than the 2 dev recordings; lower it, or raise"
        " mixtures.counts.dev"
    )


@pytest.mark.parametrize("devices, more", [(2, False), (3, True)])
def test_as_many_devices_as_its_line_says_share_the_dev_recordings(
    attempt, tmp_path, devices, more
):
    train, dev = attempt(tmp_path).examples
    dev = train if more else dev  # 10 recordings or 2
    _refuse_idle(devices, len(dev.table))
    items, settings = [], Training(batch_size=devices, devices=devices)
    for rank in range(devices):
        data = TrainingData(train, dev, settings, 0, 0)
        data.trainer = SimpleNamespace(world_size=devices, global_rank=rank)
        items.append(len(data.val_dataloader()))
    assert min(items) > 0 and sum(items) == (10 if more else 2)


def test_a_training_whose_process_was_killed_goes_on_as_its_line_says(attempt, together, tmp_path):
    killed = attempt(tmp_path / "killed", **EVEN)
    line = r"process \d of 2 that train together was killed by SIGKILL; run the same command again"
    dies = pytest.raises(PipelineError, match=f"^{line} to go on from the last saved state$")
    with once_saved(killed.state / "previous.ckpt", kill_a_rank), dies:
        killed.run(devices=2, save_seconds=0)
    killed.run(devices=2)
    assert read_card(killed.weights).training["resumed_at"] != []
    curves = [run.history.drop(columns="seconds") for run in (together, killed)]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


@contextmanager
def once_saved(state, act):
    """Call `act(pid of this process)` in a process of its own, once a training saved its state."""
    parent, child = os.getpid(), os.fork()
    if child == 0:
        try:
            while not state.exists():
                time.sleep(0.01)
            act(parent)
        finally:
            os._exit(0)  # an error must not go on to the next tests
    try:
        yield
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)


def stop_all(parent):
    """Send the signal of a cluster to all processes at once."""
    for process in [psutil.Process(parent), *servers_of(parent)]:
        process.terminate()


def kill_a_rank(parent):
    [server] = servers_of(parent)
    server.children()[-1].kill()


def servers_of(parent):
    """The process of which those that train are forks."""
    return [p for p in psutil.Process(parent).children() if "forkserver" in str(p.cmdline())]


def test_an_odd_number_of_dev_recordings_is_scored_as_on_one(attempt, tmp_path):
    """Two devices have unequal numbers of them; the average of epochs is compared with these."""
    ends = []
    for devices in (1, 2):
        given = attempt(tmp_path / str(devices), **(EVEN | {"epochs": 1}))
        dev = given.examples[1]
        table = pd.concat([dev.table, dev.table.iloc[:1]], ignore_index=True)
        given.examples[1] = replace(dev, table=table)
        assert len(table) % 2
        ends.append(given.run(devices=devices).history.iloc[-1])
    for name in ("dev_loss", "dev_si_sdri"):
        assert ends[0][name] == pytest.approx(ends[1][name], abs=1e-3)
