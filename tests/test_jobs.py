import subprocess
import sys
from types import SimpleNamespace

import pytest


@pytest.fixture
def run(tmp_path):
    """Run statements as a job of the workflow does: exit code, lines of log and of stderr."""

    def call(*statements):
        lines = [
            "import logging, os, warnings, errno",
            "from pipeline.jobs import job",
            "from pipeline.errors import PipelineError",
            "from pipeline.files import write_text",
            f"with job({str(tmp_path / 'logs/new/job.log')!r}):",
            *(f"    {statement}" for statement in statements),
        ]
        command = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
        log = (tmp_path / "logs/new/job.log").read_text().splitlines()
        return SimpleNamespace(code=done.returncode, log=log, err=done.stderr.splitlines())

    return call


def assert_one_line(job, message):
    assert job.code == 1
    assert len(job.log) == 1 and job.log == job.err
    assert job.log[0].endswith(f" ERROR {message}")


def test_what_is_logged_stands_in_the_file_and_on_screen(run):
    job = run("logging.info('200 files')", "warnings.warn('odd')")
    assert job.code == 0 and job.log == job.err
    assert job.log[0].endswith(" INFO 200 files")
    assert "odd" in job.log[1]


def test_a_cause_the_user_can_mend_is_one_line(run):
    assert_one_line(run("raise PipelineError('a.wav: is empty')"), "a.wav: is empty")


@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT"])
def test_no_space_names_the_file(run, code):
    job = run(f"raise OSError(errno.{code}, 'no space', 'results/a.wav')")
    assert_one_line(job, "results/a.wav: the disk is full; free some space, run again")


def test_a_disk_that_is_really_full_names_the_file(run):
    job = run(
        "os.symlink('/dev/full', f'.a.csv.{os.getpid()}.part')",
        "write_text('a.csv', 'text')",
    )
    assert_one_line(job, "a.csv: the disk is full; free some space, run again")


@pytest.mark.parametrize(
    "code, cause", [("EACCES", "Permission denied"), ("EROFS", "Read-only file system")]
)
def test_no_permission_names_the_file(run, code, cause):
    job = run(f"raise OSError(errno.{code}, os.strerror(errno.{code}), 'results/a.wav')")
    assert_one_line(job, f"results/a.wav: {cause}; check its permissions")


@pytest.mark.parametrize("statement", ["[][1]", "open('missing')"])
def test_a_surprise_leaves_its_trace(run, statement):
    job = run(statement)
    assert job.code == 1
    assert "an error of the program, please report it" in job.log[0]
    assert any(line.startswith("Traceback") for line in job.log)
    assert job.err[-1].startswith("error: ") and "Error: " in job.err[-1]


def test_an_earlier_log_is_kept(run):
    run("logging.info('first')")
    assert [line.split()[-1] for line in run("logging.info('second')").log] == ["first", "second"]
