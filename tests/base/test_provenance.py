import json
import subprocess
import sys
from types import SimpleNamespace

from pipeline.base import provenance
from pipeline.base.provenance import cpu_name, git_revision, package_versions, record_run, sha256


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


class Job:
    def __init__(self, name):
        self.rule = SimpleNamespace(name=name)


def graph(names, edges, pending=0):
    """A graph of jobs as Snakemake stores it; edges are pairs of indices into `names`."""
    jobs = [Job(name) for name in names]
    needs = {job: {jobs[a]: set() for a, b in edges if jobs[b] is job} for job in jobs}
    return SimpleNamespace(
        jobs=needs.keys(), dependencies=needs, needrun_jobs=lambda: iter(jobs[:pending])
    )


def test_a_run_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/snakemake", "--cores", "2", "--config", "a={b: 1}"])
    dag = graph(["all", "score", "score", "mix"], [(1, 0), (2, 0), (3, 1), (3, 2)], pending=3)
    record_run(tmp_path / "logs/run.json", dag, tmp_path)
    facts = json.loads((tmp_path / "logs/run.json").read_text())
    assert facts["command"] == "snakemake --cores 2 --config 'a={b: 1}'"
    assert facts["started"].endswith("+00:00")
    assert facts["git"] is None
    assert facts["machine"]["cpu"] == cpu_name() and facts["machine"]["cores"] > 0
    assert facts["jobs"] == {"all": 1, "mix": 1, "score": 2} and facts["pending"] == 3
    assert facts["edges"] == [["mix", "score"], ["score", "all"]]


def test_a_command_with_names_that_are_not_utf_8_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/snakemake", "caf\udce9"])
    record_run(tmp_path / "run.json", graph([], []), tmp_path)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["command"] == r"snakemake 'caf\udce9'"


def test_another_snakemake_leaves_the_graph_out(tmp_path, caplog):
    record_run(tmp_path / "run.json", SimpleNamespace(), tmp_path)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert "command" in facts and "edges" not in facts
    assert "the graph of rules could not be read" in caplog.text


def test_a_run_continues_where_nothing_can_be_written(tmp_path, caplog):
    (tmp_path / "logs").touch()
    record_run(tmp_path / "logs/run.json", graph([], []), tmp_path)
    assert "run.json: not written" in caplog.text


def test_revision_and_whether_files_differ_from_it(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "x")
    (tmp_path / "notes.txt").write_text("not of the repository")
    found = git_revision(tmp_path)
    assert len(found["revision"]) == 40 and found["modified"] is False
    (tmp_path / "code.py").write_text("2")
    assert git_revision(tmp_path) == found | {"modified": True}
    (tmp_path / "below").mkdir()
    assert git_revision(tmp_path / "below") is None  # owned by another user


def test_without_git_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision(tmp_path) is None


def test_packages_that_are_not_there_are_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    assert list(package_versions()) == ["python", "numpy"]


def test_sum_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, B.1
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
