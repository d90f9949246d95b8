"""A training killed with everything around it, and run again, ends where it would have."""

import os
import signal
import subprocess
import time

import pandas as pd
import torch
from safetensors.torch import load_file

WEIGHTS = "models/denoisers/conv_tasnet/model.safetensors"
LONGER = (
    "--config",
    "denoisers={conv_tasnet: {training: {epochs: 40}}}",
    "machine={save_seconds: 0}",
)
TARGET = f"results/{WEIGHTS}"


def kill_once_saved(workspace) -> None:
    """Start a training, wait until it has saved a state, kill it and its parents at once."""
    state = workspace / "models/denoisers/conv_tasnet/state/last.ckpt"
    process = subprocess.Popen(
        workspace.command(TARGET, *LONGER),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not state.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_run_again_ends_at_the_same_weights(finished, tmp_path):
    whole, killed = finished.copy(tmp_path / "whole"), finished.copy(tmp_path / "killed")
    whole.succeed(TARGET, *LONGER)
    kill_once_saved(killed)
    killed.succeed("--unlock")
    assert "resuming from" in killed.succeed(TARGET, *LONGER)

    expected, resumed = load_file(whole / WEIGHTS), load_file(killed / WEIGHTS)
    assert expected.keys() == resumed.keys()
    for name in expected:
        torch.testing.assert_close(resumed[name], expected[name], rtol=0, atol=1e-6)
    history = "models/denoisers/conv_tasnet/history.csv"
    curves = [pd.read_csv(w / history).drop(columns="seconds") for w in (whole, killed)]
    pd.testing.assert_frame_equal(*curves, atol=1e-6)


def test_an_unfinished_training_of_another_configuration_is_refused(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    kill_once_saved(workspace)
    workspace.succeed("--unlock")
    other = (
        "--config",
        "denoisers={conv_tasnet: {training: {epochs: 9}}}",
        "machine={save_seconds: 0}",
    )
    done = workspace.run(TARGET, *other)
    assert done.returncode != 0
    assert "unfinished training of another configuration (differs in training)" in done.stderr
