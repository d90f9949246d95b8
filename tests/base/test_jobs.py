import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from users import a_user

from pipeline.base.files import read_json, write_text
from pipeline.base.jobs import cause_of

LOG = "results/logs/stage/job.log"
OUTPUT = "results/stage/table.csv"
KILLED = (
    "a process of this job was killed, perhaps because memory ran out; run again, with fewer"
    " --cores if it happens again"
)


@pytest.fixture
def run(tmp_path):
    """Run statements as a job of the workflow does: exit code, lines of log and of stderr."""

    def call(*statements, inputs=(), outputs=(), log=LOG):
        lines = [
            "import logging, os, warnings, errno",
            "from pathlib import Path",
            "from types import SimpleNamespace",
            "from pipeline.base.jobs import job",
            "from pipeline.base.errors import PipelineError",
            "from pipeline.base.files import write_text",
            f"given = SimpleNamespace(log=[{log!r}], input={inputs!r}, output={outputs!r})",
            "with job(given):",
            *(f"    {statement}" for statement in statements),
        ]
        command = [sys.executable, "-c", "\n".join(lines)]
        plain = {k: value for k, value in os.environ.items() if k != "PYTHONWARNINGS"}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=60, env=plain
        )
        lines = (tmp_path / log).read_text().splitlines()
        return SimpleNamespace(code=done.returncode, log=lines, err=done.stderr.splitlines())

    return call


def assert_one_line(job, message):
    assert job.code == 1
    assert len(job.log) == 1 and job.log == job.err
    assert job.log[0].endswith(f" ERROR {message}")


def test_log_lines_are_in_the_file_and_on_the_screen(run):
    job = run("logging.info('200 files')", "warnings.warn('odd')")
    assert job.code == 0 and job.log == job.err
    assert job.log[0].endswith(" INFO 200 files")
    assert "odd" in job.log[1]


def test_a_cause_the_user_can_correct_is_one_line(run):
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
    "code, line",
    [
        ("EACCES", "Permission denied; check its permissions"),
        ("EROFS", "Read-only file system; mount it for writing, or choose another folder"),
    ],
)
def test_no_permission_names_the_file(run, code, line):
    job = run(f"raise OSError(errno.{code}, os.strerror(errno.{code}), 'results/a.wav')")
    assert_one_line(job, f"results/a.wav: {line}")


def test_a_file_that_may_be_written_again_is_written(tmp_path):
    folder = Path(tempfile.mkdtemp())  # not below one of root's own
    try:
        folder.chmod(0o555)
        with a_user(), pytest.raises(OSError) as error:
            write_text(folder / "a.csv", "id")
        found = cause_of(error.value)
        assert re.fullmatch(rf"{folder}/\S+: Permission denied; check its permissions", found)
        folder.chmod(0o777)  # the cure
        with a_user():
            write_text(folder / "a.csv", "id")
    finally:
        shutil.rmtree(folder)


def test_a_disk_that_may_be_written_again_is_written(tmp_path):
    def mount(*options):
        return subprocess.run(["mount", *options, str(tmp_path)], capture_output=True).returncode

    if os.geteuid() != 0 or mount("-t", "tmpfs", "-o", "ro", "tmpfs"):
        pytest.skip("no right to mount")
    try:
        with pytest.raises(OSError) as error:
            write_text(tmp_path / "a.csv", "id")
        assert cause_of(error.value).endswith("; mount it for writing, or choose another folder")
        assert mount("-o", "remount,rw") == 0  # the cure
        write_text(tmp_path / "a.csv", "id")
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("limit", ["size=64k", "nr_inodes=2"])
def test_where_there_is_room_again_a_file_is_written(tmp_path, limit):
    command = ["mount", "-t", "tmpfs", "-o", limit, "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount")
    try:
        (tmp_path / "old.wav").write_bytes(bytes(30_000))
        with pytest.raises(OSError) as error:
            write_text(tmp_path / "a.csv", "id" * 20_000)
        said = cause_of(error.value)
        few = "the disk is full, it can hold no more files; remove some, run again"
        assert said.endswith(
            few if "inodes" in limit else "the disk is full; free some space, run again"
        )
        (tmp_path / "old.wav").unlink()  # the cure
        write_text(tmp_path / "a.csv", "id" * 20_000)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("statement", ["[][1]", "open('missing')"])
def test_an_unexpected_error_leaves_its_trace(run, statement):
    job = run(statement)
    assert job.code == 1
    assert "an error of the program, please report it" in job.log[0]
    assert any(line.startswith("Traceback") for line in job.log)
    assert job.err[-1].startswith("error: ") and "Error: " in job.err[-1]


def test_an_earlier_log_is_kept(run):
    run("logging.info('first')")
    assert [line.split()[-1] for line in run("logging.info('second')").log] == ["first", "second"]


def test_a_truncated_input_is_not_read(run, tmp_path):
    run(f"write_text({OUTPUT!r}, 'id,length')", outputs=(OUTPUT,))
    (tmp_path / OUTPUT).write_text("id")
    job = run("logging.info('read')", inputs=(OUTPUT,), log="results/logs/next.log")
    line = f"{OUTPUT}: 2 of 9 bytes are there; run the same command again"
    assert_one_line(job, line)


def test_an_input_truncated_meanwhile_is_reported_as_the_cause(run, tmp_path):
    run(f"write_text({OUTPUT!r}, 'id,length')", outputs=(OUTPUT,))
    statements = (f"write_text({OUTPUT!r}, 'id')", "{}['length']")
    job = run(*statements, inputs=(OUTPUT,), log="results/logs/next.log")
    line = f"{OUTPUT}: 2 of 9 bytes are there; run the same command again"
    assert_one_line(job, line)


def test_a_damaged_file_of_ours_is_made_again(run, tmp_path):
    shard = "results/mixtures/train/1-of-2"
    wav = f"{shard}/s1/a.wav"
    run(f"write_text({wav!r}, 'RIFF')", outputs=(shard,))
    path = tmp_path.resolve() / wav
    job = run(
        f"raise PipelineError('{path}: truncated; fetch the file again or remove it')",
        log="results/logs/next.log",
    )
    assert_one_line(job, f"{path}: truncated; run the same command again, which rebuilds {shard}")
    outputs = read_json(tmp_path / "results/logs/stage/job.outputs.json")["outputs"]
    assert outputs[shard]["size"] == -1


def test_a_damaged_file_of_the_user_is_left_to_the_user(run, tmp_path):
    run("write_text('results/mixtures/1-of-2/a.wav', 'RIFF')", outputs=("results/mixtures/1-of-2",))
    line = "/data/a.wav: truncated; fetch the file again or remove it"
    assert_one_line(run(f"raise PipelineError({line!r})", log="results/logs/next.log"), line)


def test_an_error_out_of_a_loader_s_worker_is_one_line(run):
    trace = "Caught PipelineError in DataLoader worker process 0.\\nOriginal Traceback:\\n"
    error = f"{trace}pipeline.base.errors.PipelineError: a.wav: is empty"
    assert_one_line(run(f"raise PipelineError('{error}')"), "a.wav: is empty")


@pytest.mark.slow
def test_a_killed_worker_is_not_a_program_error(run):
    job = run(
        "from torch.utils.data import DataLoader",
        "class Fatal(list):",
        "    def __getitem__(self, index):",
        "        os.kill(os.getpid(), 9)",
        "list(DataLoader(Fatal([0]), num_workers=1))",
    )
    assert_one_line(job, KILLED)


def test_a_job_whose_worker_was_killed_ends_well_the_next_time(run, tmp_path):
    load = "from pipeline.base.workers import in_workers"
    write = f"write_text({OUTPUT!r}, 'id')"
    killed = run(load, "list(in_workers(2, os._exit, [1]))", write, outputs=(OUTPUT,))
    assert killed.code == 1 and killed.log[-1].endswith(KILLED)
    assert run(load, "list(in_workers(2, abs, [1]))", write, outputs=(OUTPUT,)).code == 0
    assert (tmp_path / OUTPUT).read_text() == "id"


def test_a_killed_worker_of_a_pool_is_not_a_program_error_either(run):
    job = run(
        "from pipeline.base.workers import in_workers",
        "list(in_workers(2, os._exit, [1]))",
    )
    assert_one_line(job, KILLED)


@pytest.mark.slow
def test_a_job_that_fails_does_not_wait_for_a_worker_that_ignores_signals(run):
    job = run(
        "import signal",
        "from torch.utils.data import DataLoader",
        "deaf = lambda worker: signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "items = iter(DataLoader([0] * 99, num_workers=1, worker_init_fn=deaf))",
        "next(items)",
        "raise PipelineError('stop')",
    )
    assert_one_line(job, "stop")
