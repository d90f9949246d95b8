"""Faults of a cluster while a training runs: the end is that of a run nothing happened to."""

import shutil
import signal
import time

import pandas as pd
import pytest
import torch
import yaml
from conftest import FEWER, ClusterRun
from safetensors.torch import load_file
from workspace import SMOKE, Workspace

pytestmark = pytest.mark.slurm

TRAINING = "models/separators/small/clean"
SCORES = "scores/scores.csv"
DEVICE = ("--config", "machine={device: cpu, save_seconds: 1}")
ON_CPU_NODES = {'gpu_partition = "gpu"': 'gpu_partition = "cpu"'}


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """A finished run on this machine alone, its training long enough for faults to meet it."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), epochs=40)


class Undisturbed(Workspace):
    """A run without a cluster, up to a target."""

    def __init__(self, folder, epochs, target="all"):
        super().__init__(folder)
        settings = {"training": {"epochs": epochs, "stop_patience": epochs}}
        change = {"separators": FEWER["separators"] | {"small": settings}}
        (folder / "longer.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
        self.config = (SMOKE, folder / "longer.yaml")
        self.succeed(target, *DEVICE, config=self.config)


class Disturbed(ClusterRun):
    """The same run on the cluster, begun with one training and what follows it to do."""

    def __init__(self, undisturbed, folder, **changes):
        shutil.copytree(undisturbed.folder, folder, dirs_exist_ok=True)
        super().__init__(folder, ON_CPU_NODES | changes)
        self.undisturbed = undisturbed
        for done in (TRAINING, "report"):
            shutil.rmtree(self / done)

    def begin(self):
        """Start, wait until the training has saved a state, and return that."""
        self.start(*DEVICE, config=self.undisturbed.config)
        state = self / TRAINING / "state/last.ckpt"
        self.wait(state.exists)
        return state

    def ends_well(self, *tables):
        """The command succeeds; weights, curve and `tables` are those of the undisturbed run."""
        done = self.finish()
        assert done.returncode == 0, done.stdout
        assert self.jobs(*DEVICE, config=self.undisturbed.config) == {}
        weights = [load_file(w / TRAINING / "model.safetensors") for w in (self, self.undisturbed)]
        torch.testing.assert_close(*weights, rtol=0, atol=1e-6)
        for table in (f"{TRAINING}/history.csv", *tables):
            ours, theirs = (pd.read_csv(w / table) for w in (self, self.undisturbed))
            pd.testing.assert_frame_equal(
                ours.drop(columns="seconds", errors="ignore"),
                theirs.drop(columns="seconds", errors="ignore"),
                atol=1e-5,
            )
        assert "SI-SDRi" in (self / "report/index.html").read_text(encoding="utf-8")

    @property
    def log(self):
        path = self / "logs/training/separator_small_clean.log"
        return path.read_text(encoding="utf-8")


@pytest.fixture
def disturbed(undisturbed, tmp_path):
    """`disturbed(**changes)`: a run to be disturbed, with changes of the profile."""
    return lambda **changes: Disturbed(undisturbed, tmp_path / "run", **changes)


@pytest.fixture
def trainings(cluster):
    """`trainings()`: SLURM's records of the trainings submitted since the test began."""
    earlier = len(cluster.jobs("train_"))
    return lambda: cluster.jobs("train_")[earlier:]


def states(jobs):
    return [job["JobState"] for job in jobs]


def test_a_cancelled_training_is_tried_again_and_goes_on(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    cluster.cancel(trainings()[0]["JobId"])
    run.ends_well(SCORES)
    assert states(trainings()) == ["CANCELLED", "COMPLETED"]
    assert "resuming from" in run.log


def test_more_memory_is_asked_for_after_too_little(disturbed, trainings):
    run = disturbed(**{"mem_mb: 16000 * attempt": "mem_mb: 300 * attempt ** 2"})
    run.start(*DEVICE, config=run.undisturbed.config)
    run.ends_well(SCORES)
    first, second = trainings()
    assert first["JobState"] != "COMPLETED" and second["JobState"] == "COMPLETED"
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("300M", "1200M")


def test_a_training_on_a_node_that_breaks_goes_on_elsewhere(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    node = trainings()[0]["NodeList"]
    cluster.break_node(node)
    try:
        run.ends_well(SCORES)
    finally:
        cluster.start_node(node)
    [training] = trainings()
    assert training["JobState"] == "COMPLETED" and training["Restarts"] == "1"
    assert training["NodeList"] != node
    assert "resuming from" in run.log


def test_an_interrupted_run_cancels_its_jobs_and_goes_on(disturbed, trainings):
    run = disturbed()
    run.begin()
    run.process.send_signal(signal.SIGINT)
    assert run.finish().returncode != 0
    run.start(*DEVICE, config=run.undisturbed.config)
    run.ends_well(SCORES)
    assert states(trainings()) == ["CANCELLED", "COMPLETED"]
    assert "resuming from" in run.log


def test_a_controller_that_is_away_for_a_while_disturbs_nothing(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    cluster.stop_controller()
    time.sleep(45)
    cluster.start_controller()
    run.ends_well(SCORES)
    assert states(trainings()) == ["COMPLETED"]


def test_a_training_longer_than_two_time_limits(cluster, undisturbed, trainings, tmp_path):
    folder = undisturbed.copy(tmp_path / "longer").folder
    longer = Undisturbed(folder, epochs=150, target=f"results/{TRAINING}/model.safetensors")
    run = Disturbed(longer, tmp_path / "run")
    state = run.begin()
    for attempt in (1, 2):
        run.wait(lambda attempt=attempt: len(trainings()) == attempt)
        begun = state.stat().st_mtime
        run.wait(lambda begun=begun: state.stat().st_mtime > begun)
        cluster.end_limit(trainings()[-1]["JobId"])
    run.ends_well()
    assert states(trainings()) == ["TIMEOUT", "TIMEOUT", "COMPLETED"]
    assert "resuming from" in run.log
