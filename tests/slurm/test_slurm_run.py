"""A whole run on a cluster without accounting, checked against SLURM's own records."""

import json

import pytest
import yaml
from cluster import ACCOUNT
from on_cluster import FEWER, ClusterRun
from workspace import SMOKE

pytestmark = pytest.mark.slurm

GPU_RULES = {"train_denoiser", "train", "apply"}
LOCAL = {"gather_corpus", "gather_mixtures", "gather_estimates"}


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """The finished run."""
    run = ClusterRun(tmp_path_factory.mktemp("run"))
    (run.folder / "fewer.yaml").write_text(yaml.safe_dump(FEWER), encoding="utf-8")
    run.config = (SMOKE, run.folder / "fewer.yaml")
    run.succeed(config=run.config)
    return run


@pytest.fixture(scope="module")
def jobs(cluster, run):
    """Rule to SLURM's records of its jobs."""
    records = {}
    for job in cluster.jobs():
        rule = job["Comment"].removeprefix("rule_").split("_wildcards_")[0]
        records.setdefault(rule, []).append(job)
    return records


def of(jobs, key):
    """Rule to the values of its jobs in one field of their records."""
    return {rule: {job.get(key) for job in records} for rule, records in jobs.items()}


def test_it_ends_in_a_report_and_does_nothing_again(run, jobs):
    assert json.loads((run / "scores/answer.json").read_text(encoding="utf-8"))["sentences"]
    assert "SI-SDRi" in (run / "report/index.html").read_text(encoding="utf-8")
    assert set().union(*of(jobs, "JobState").values()) == {"COMPLETED"}
    assert run.jobs(config=run.config) == {}


def test_tiny_rules_are_not_cluster_jobs(run, jobs):
    assert GPU_RULES | {"demo_corpus", "render", "score", "aggregate"} <= jobs.keys()
    assert not jobs.keys() & (LOCAL | {"all", "collect_latency"})
    assert (run / "benchmarks/gather_corpus/speech.tsv").exists()


def test_gpus_are_requested_where_one_is_used(jobs):
    gpus = of(jobs, "TresPerJob")
    assert {rule for rule, asked in gpus.items() if asked == {"gres:gpu:1"}} == GPU_RULES
    assert {rule for rule, asked in gpus.items() if asked == {None}} == jobs.keys() - GPU_RULES
    for rule, nodes in of(jobs, "NodeList").items():
        assert (nodes == {"g1"}) == (rule in GPU_RULES), rule


def test_partition_and_account_are_as_set(jobs):
    for rule, partitions in of(jobs, "Partition").items():
        assert partitions == {"gpu" if rule in GPU_RULES else "cpu"}, rule
    assert set().union(*of(jobs, "Account").values()) == {ACCOUNT}


def test_cpus_memory_and_time_are_the_profiles(jobs):
    def asked(rule):
        [job] = {(j["NumCPUs"], j["MinMemoryNode"], j["TimeLimit"]) for j in jobs[rule]}
        return job

    assert asked("demo_corpus") == ("4", "4000M", "01:00:00")
    assert asked("render") == ("1", "4000M", "01:00:00")
    assert asked("train") == ("1", "16000M", "1-00:00:00")
    assert asked("apply") == ("1", "8000M", "04:00:00")


def test_one_task_sees_both_gpus_of_a_job(cluster, tmp_path):
    run = ClusterRun(tmp_path / "run")
    run.snakefile = tmp_path / "Snakefile"
    run.snakefile.write_text(
        "rule train_denoiser:\n"
        "    output: 'seen.txt'\n"
        "    threads: 2\n"
        "    resources: gpu=2\n"
        "    shell: 'echo $SLURM_NTASKS $SLURM_CPUS_PER_TASK $CUDA_VISIBLE_DEVICES > {output}'\n",
        encoding="utf-8",
    )
    run.succeed(config=(SMOKE,))
    assert (run.folder / "seen.txt").read_text().split() == ["1", "2", "0,1"]
    job = cluster.jobs("train_denoiser")[-1]
    assert (job["TresPerJob"], job["NumCPUs"], job["NumTasks"]) == ("gres:gpu:2", "2", "1")


def test_lightning_does_not_take_slurm_into_its_own_hands(run):
    log = (run / "logs/training/separate_conv_tasnet_noisy_0.log").read_text(encoding="utf-8")
    assert "best epoch" in log and "auto-requeueing" not in log


def test_without_gpus_none_is_requested(cluster, run):
    earlier = len(cluster.jobs("apply_"))
    again = ("--forcerun", "apply", "--allowed-rules", "apply")
    target = "results/estimates/denoise/conv_tasnet/noisy/0/noisy/test/1-of-1"
    run.succeed(target, *again, "--config", "machine={device: cpu}", config=run.config)
    [job] = cluster.jobs("apply_")[earlier:]
    assert "TresPerJob" not in job
