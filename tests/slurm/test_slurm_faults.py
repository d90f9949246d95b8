"""Faults of a cluster while a training runs: the result equals that of an undisturbed run."""

import signal

import pytest
from disturbed import SCORES, TRAINING, Undisturbed

pytestmark = pytest.mark.slurm


def states(jobs):
    return [job["JobState"] for job in jobs]


def test_a_cancelled_training_is_submitted_again_and_continues(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    cluster.cancel(trainings()[0]["JobId"])
    run.ends_well(SCORES)
    assert states(trainings()) == ["CANCELLED", "COMPLETED"]
    assert "resuming from" in run.log


def test_more_memory_is_requested_after_too_little(disturbed, trainings):
    run = disturbed({"mem_mb: 16000 * attempt": "mem_mb: 300 * attempt ** 2"})
    run.again()
    run.ends_well(SCORES)
    first, second = trainings()
    assert first["JobState"] != "COMPLETED" and second["JobState"] == "COMPLETED"
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("300M", "1200M")


def test_a_training_on_a_node_that_breaks_continues_elsewhere(cluster, disturbed, trainings):
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


def test_an_interrupted_run_cancels_its_jobs_and_continues(disturbed, trainings):
    run = disturbed()
    run.begin()
    run.process.send_signal(signal.SIGINT)
    assert run.finish().returncode != 0
    run.again()
    run.ends_well(SCORES)
    assert states(trainings()) == ["CANCELLED", "COMPLETED"]
    assert "resuming from" in run.log


def test_a_run_that_lost_its_controller_continues_when_repeated(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    cluster.restart_controller(after=45)
    run.process.send_signal(signal.SIGINT)
    assert run.finish().returncode != 0
    cluster.cancel("--user=root")
    run.again()
    run.ends_well(SCORES)


def test_a_training_longer_than_two_time_limits(
    cluster, undisturbed, disturbed, trainings, tmp_path
):
    folder = undisturbed.copy(tmp_path / "longer").folder
    longer = Undisturbed(folder, epochs=150, target=f"results/{TRAINING}/model.safetensors")
    run = disturbed(whole=longer)
    state = run.begin()
    for attempt in (1, 2):
        run.wait(lambda attempt=attempt: len(trainings()) == attempt)
        begun = state.stat().st_mtime
        run.wait(lambda begun=begun: state.stat().st_mtime > begun)
        cluster.end_limit(trainings()[-1]["JobId"])
    run.ends_well()
    assert states(trainings()) == ["TIMEOUT", "TIMEOUT", "COMPLETED"]
    assert "resuming from" in run.log
