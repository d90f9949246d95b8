"""Jobs that are killed with all their processes, and run again, give the same results."""

import os
import shutil
import signal
import subprocess
import time

import pandas as pd
import torch
from safetensors.torch import load_file

from pipeline.models.card import read_card

WEIGHTS = "models/denoise/conv_tasnet/noisy/0/model.safetensors"
SCORES = "scores/scores.csv"
LONGER = (
    "--config",
    "denoisers={conv_tasnet: {training: {epochs: 15}}}",
    "machine={save_seconds: 0}",
)
TARGET = f"results/{WEIGHTS}"


def kill_once(workspace, ready, *arguments) -> None:
    """Start a run, wait until `ready()`, and kill it with all its processes at once."""
    process = subprocess.Popen(
        workspace.command(*arguments),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not ready():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_once_saved(workspace) -> None:
    """Kill a training that has saved a state."""
    state = workspace / "models/denoise/conv_tasnet/noisy/0/state/last.ckpt"
    kill_once(workspace, state.exists, TARGET, *LONGER)


def wavs(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.wav")}


def test_a_shard_killed_in_rendering_is_made_again(finished, tmp_path):
    target = ("results/mixtures/train/mixtures.csv", "--config", "mixtures={counts: {train: 150}}")
    whole, killed = finished.copy(tmp_path / "whole"), finished.copy(tmp_path / "killed")
    whole.succeed(*target)
    shutil.rmtree(killed / "mixtures/train")
    shard = killed / "mixtures/train/1-of-1"
    kill_once(killed, lambda: len(list(shard.glob("s1/*.wav"))) > 5, *target)
    assert len(list(shard.glob("s1/*.wav"))) < 150 and not (shard / "index.csv").exists()
    killed.succeed(*target)
    made = wavs(killed / "mixtures/train")
    assert len(made) == 6 * 150 and made == wavs(whole / "mixtures/train")
    assert not list(killed.folder.rglob("*.part"))


def test_killed_and_run_again_ends_at_the_same_weights(finished, tmp_path):
    whole, killed = finished.copy(tmp_path / "whole"), finished.copy(tmp_path / "killed")
    whole.succeed(TARGET, *LONGER)
    kill_once_saved(killed)
    assert "resuming from" in killed.succeed(TARGET, *LONGER)

    expected, resumed = load_file(whole / WEIGHTS), load_file(killed / WEIGHTS)
    assert expected.keys() == resumed.keys()
    for name in expected:
        torch.testing.assert_close(resumed[name], expected[name], rtol=0, atol=1e-6)
    history = "models/denoise/conv_tasnet/noisy/0/history.csv"
    curves = [pd.read_csv(w / history).drop(columns="seconds") for w in (whole, killed)]
    pd.testing.assert_frame_equal(*curves, atol=1e-6)


def test_an_unfinished_training_of_another_configuration_is_refused(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    kill_once_saved(workspace)
    other = (
        "--config",
        "denoisers={conv_tasnet: {training: {epochs: 9}}}",
        "machine={save_seconds: 0}",
    )
    done = workspace.run(TARGET, *other)
    assert done.returncode != 0
    assert "training of another configuration (differs in training.epochs)" in done.stderr


def test_a_model_is_trained_by_two_processes(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    (workspace / WEIGHTS).unlink()
    shutil.rmtree(workspace / "models/denoise/conv_tasnet/noisy/0/state")
    workspace.succeed(TARGET, "--config", "training={devices: 2}", "machine={device: cpu}")
    assert read_card(workspace / WEIGHTS).training["devices"] == 2
    found, expected = load_file(workspace / WEIGHTS), load_file(finished / WEIGHTS)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0.01, atol=1e-3)
    assert workspace.jobs(TARGET) == {}  # one process would have trained the same


def test_damaged_outputs_are_made_again(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    whole = {name: (finished / name).read_bytes() for name in ("mixtures/dev/mixtures.csv", SCORES)}
    (workspace / "mixtures/dev/1-of-1/index.csv").write_text("mixture_id")
    (workspace / SCORES).write_bytes(b"")
    said = workspace.succeed("results/mixtures/dev/mixtures.csv")
    assert workspace.jobs(f"results/{SCORES}") == {"aggregate": 1}  # dev is unchanged
    workspace.succeed(f"results/{SCORES}")
    assert "results/mixtures/dev/1-of-1: 10 of " in said
    assert f"results/{SCORES}: 0 of {len(whole[SCORES])} bytes are there; is removed" in said
    assert {name: (workspace / name).read_bytes() for name in whole} == whole


def test_a_wav_cut_short_is_made_again(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    [*_, wav] = sorted((workspace / "mixtures/test/1-of-1/s1").iterdir())
    whole = wav.read_bytes()
    wav.write_bytes(whole[:1000])
    shutil.rmtree(workspace / "scores/signal/separate/mixture")  # no other job would read it again
    (workspace / SCORES).unlink()
    done = workspace.run(f"results/{SCORES}")
    assert done.returncode != 0
    part = "results/mixtures/test/1-of-1"
    assert f"s1/{wav.name}: truncated, 956 of" in done.stderr
    assert f"run the same command again, which rebuilds {part}" in done.stderr
    assert f"{part}: was found damaged; is removed" in workspace.succeed("mixtures")
    assert wav.read_bytes() == whole


def test_results_of_older_jobs_from_an_unfinished_output_are_not_reused(finished, tmp_path):
    target = ("results/mixtures/test/mixtures.csv", "--config", "mixtures={noise_snr: [5, 6]}")
    whole, killed = finished.copy(tmp_path / "whole"), finished.copy(tmp_path / "killed")
    whole.succeed(*target)
    plan = killed / "mixtures/plan/test/1-of-1.csv"
    kill_once(killed, lambda: not plan.exists(), *target)
    assert "made from outputs that are rebuilt; is removed" in killed.succeed(*target)
    tables = [
        (run / "mixtures/test/mixtures.csv").read_bytes() for run in (whole, killed, finished)
    ]
    assert tables[0] == tables[1] != tables[2]
