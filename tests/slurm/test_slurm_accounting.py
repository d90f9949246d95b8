"""A training on a cluster with enforced accounting: its records in the database afterwards."""

import pytest
from cluster import ACCOUNT, run
from disturbed import SCORES
from on_cluster import ClusterRun
from workspace import SMOKE

pytestmark = pytest.mark.slurm

ACCOUNTING = True
TARGET = "results/models/separate/small/clean/0/model.safetensors"
FIELDS = "Comment,State,Account,Partition,ReqTRES,NodeList"


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """A run up to one training."""
    finished = ClusterRun(tmp_path_factory.mktemp("run"))
    finished.succeed(TARGET, config=(SMOKE,))
    return finished


def test_the_database_records_jobs_and_nodes(finished):
    rows = run("sacct", "-X", "-n", "--parsable2", f"--format={FIELDS}").splitlines()
    jobs = {row.split("|")[0].split("_wildcards_")[0]: row.split("|")[1:] for row in rows}
    assert {state for state, *_ in jobs.values()} == {"COMPLETED"}
    assert {account for _, account, *_ in jobs.values()} == {ACCOUNT}
    _, _, partition, asked, node = jobs["rule_train"]
    assert (partition, node) == ("gpu", "g1") and "gres/gpu=1" in asked and "mem=16000M" in asked
    _, _, partition, asked, node = jobs["rule_render"]
    assert partition == "cpu" and node != "g1" and "gpu" not in asked
    assert finished.jobs(TARGET) == {}


def test_another_account_is_refused_with_its_name(cluster, tmp_path):
    wrong = ClusterRun(tmp_path / "run", {f'account = "{ACCOUNT}"': 'account = "nosuch"'})
    done = wrong.run(TARGET)
    assert done.returncode != 0
    assert "The given account nosuch appears to be invalid" in done.stdout + done.stderr


def test_sacct_works_too(cluster, tmp_path):
    changes = {"status-command: squeue": "status-command: sacct"}
    run = ClusterRun(tmp_path / "run", changes)
    run.succeed("results/corpora/scan/speech.csv")


def test_a_controller_that_is_away_for_a_while_disturbs_nothing(cluster, disturbed, trainings):
    run = disturbed()
    run.begin()
    cluster.restart_controller(after=45)
    run.ends_well(SCORES)
    assert [job["JobState"] for job in trainings()] == ["COMPLETED"]
