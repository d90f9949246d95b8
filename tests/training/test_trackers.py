"""Trackers of a training: they change nothing, and what they hold can be read back."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest
import requests
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from workspace import ROOT

from pipeline.training.callbacks import History
from pipeline.training.remote import Remote
from pipeline.training.trackers import TRACKERS

RUN = """
import logging, pickle, sys
from pipeline.training.train import train
logging.basicConfig(level=logging.WARNING, format="%(message)s")
with open(sys.argv[1], "rb") as file:
    train(*pickle.load(file))
"""
CURVES = {"train_loss", "dev_loss", "dev_si_sdri", "dev_stoi", "dev_pesq"}
NOWHERE = "http://127.0.0.1:9"
FOLDER = "results/models/separate/x/noisy/0"


def tracked(one, trackers, **environment):
    """Run a training in a process of its own, and return what it printed."""
    job, machine, *others = one.arguments(trackers=trackers, track_every=2)
    one.folder.mkdir(parents=True, exist_ok=True)
    run = one.folder / "run.pickle"
    run.write_bytes(pickle.dumps((job, machine, *others)))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(run)],
        cwd=one.folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def reference(attempt, tmp_path_factory):
    """A training without any tracker."""
    return attempt(tmp_path_factory.mktemp("plain"), epochs=2).run(trackers=[])


@pytest.fixture(scope="module")
def offline(attempt, reference, tmp_path_factory):
    """The same training, tracked by all that need no server, and its working folder."""
    folder = tmp_path_factory.mktemp("offline")
    one = attempt(folder / FOLDER, epochs=2)
    environment = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(folder / "clearml")}
    tracked(one, ["mlflow", "clearml", "wandb"], WANDB_MODE="offline", **environment)
    assert_same(one, reference)
    return SimpleNamespace(training=one, folder=folder)


def assert_same(one, other):
    pairs = zip(load_file(one.weights).items(), load_file(other.weights).items(), strict=True)
    assert all(a == b and (x == y).all() for (a, x), (b, y) in pairs)


@pytest.mark.slow
def test_servers_that_do_not_answer_cost_a_warning_each_and_change_nothing(
    attempt, reference, tmp_path
):
    environment = {"MLFLOW_TRACKING_URI": NOWHERE, "WANDB_BASE_URL": NOWHERE}
    environment |= {"CLEARML_API_HOST": NOWHERE, "WANDB_API_KEY": "x" * 40}
    trackers = ["tensorboard", "mlflow", "clearml", "wandb"]
    one = attempt(tmp_path / FOLDER, epochs=2)
    printed = tracked(one, trackers, **environment)
    for name in trackers[1:]:
        line = f"{name}: {NOWHERE} does not answer (Connection refused); the training goes on"
        assert printed.count(line) == 1, printed
    assert_same(one, reference)
    events = EventAccumulator(str(one.state / "finished_tensorboard"), {"audio": 0}).Reload()
    scalars = set(events.Tags()["scalars"])
    assert scalars >= CURVES and any("cpu_percent" in name for name in scalars)
    assert [event.step for event in events.Scalars("dev_pesq")] == [5]  # of the first of 2 epochs
    assert "dev_0/estimate_1" in events.Tags()["audio"]


BEGUN = []


class Timed(Remote):
    """A tracker that tells when it began."""

    title = "mlflow"

    def begin(self, number):
        BEGUN.append(time.monotonic())
        return "1"

    def scalars(self, values, step): ...
    def media(self, tag, sound, picture, step): ...
    def end(self, succeeded): ...


def test_the_minutes_of_a_training_are_without_the_wait_for_a_tracker(
    attempt, tmp_path, monkeypatch
):
    start, started = History.on_train_start, []
    monkeypatch.setattr(
        History, "on_train_start", lambda *given: (start(*given), started.append(given[0].started))
    )
    monkeypatch.setitem(TRACKERS, "mlflow", Timed)
    one = attempt(tmp_path / FOLDER, epochs=1).run(trackers=["mlflow"])
    assert json.loads((one.state / "trackers.json").read_text())["mlflow"]["number"] == "1"
    [began], [clock] = BEGUN, started
    assert began < clock


def test_mlflows_database_never_lies_elsewhere(attempt, tmp_path, caplog):
    attempt(tmp_path / "qu?estion" / FOLDER, epochs=1).run(trackers=["mlflow"])
    assert "cannot lie in a folder with a ? in its name; rename that, or set" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"qu?estion"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def served(tmp_path):
    """`served(results)`: the address of a server of the database that a training wrote there."""
    processes = []

    def serve(results):
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{results / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(results / "mlflow")]
        with (tmp_path / "server.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        processes.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                requests.get(f"{address}/health", timeout=5).raise_for_status()
                return address
            except requests.RequestException:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.1)
        raise AssertionError("the server does not start")

    yield serve
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_mlflow_holds_curves_and_sounds_of_a_training_that_is_done_again(
    offline, reference, served
):
    one = offline.training
    first = number_of(one)
    (one.state / "finished.json").unlink()
    tracked(one, ["mlflow"])
    assert_same(one, reference)
    assert number_of(one) == first
    address = served(offline.folder / "results")

    def ask(what, **parameters):
        parameters |= {"run_id": first}
        found = requests.get(f"{address}/api/2.0/mlflow/{what}", params=parameters, timeout=30)
        found.raise_for_status()
        return found.json()

    run = ask("runs/get")["run"]
    assert run["info"]["run_name"] == "separate/x/noisy/0" and run["info"]["status"] == "FINISHED"
    assert {"key": "model", "value": "conv_tasnet"} in run["data"]["params"]
    assert {metric["key"] for metric in run["data"]["metrics"]} >= CURVES
    history = ask("metrics/get-history", metric_key="dev_si_sdri")["metrics"]
    assert sorted(point["step"] for point in history) == [5, 5, 11, 11]
    values = [point["value"] for point in history]
    assert values == pytest.approx(2 * one.history["dev_si_sdri"].tolist(), abs=1e-5)
    files = [
        file["path"] for file in ask("artifacts/list", path="dev_0/estimate_1/00000006")["files"]
    ]
    assert [path.rpartition("/")[2] for path in files] == ["estimate_1.flac", "estimate_1.png"]


def number_of(one):
    """The number of its run in MLflow."""
    return json.loads((one.state / "trackers.json").read_text())["mlflow"]["number"]


@pytest.mark.slow
def test_clearmls_zip_holds_curves_and_sounds(offline):
    [archive] = (offline.folder / "clearml").rglob("*.zip")
    with zipfile.ZipFile(archive) as held:
        names = held.namelist()
        metrics = "".join(held.read(n).decode() for n in names if n.endswith("metrics.jsonl"))
    assert all(f'"{name}"' in metrics for name in CURVES)
    assert any(name.endswith(".flac") for name in names)


@pytest.mark.slow
def test_wandbs_folder_holds_curves_and_sounds(offline):
    [run] = (offline.training.state / "wandb").glob("offline-run-*")
    [log] = run.glob("*.wandb")
    content = log.read_bytes()
    assert all(name.encode() in content for name in CURVES)
    assert any(path.suffix == ".flac" for path in run.rglob("media/audio/**/*"))
