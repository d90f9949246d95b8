"""Two runs started in one folder, and one that is started after another was killed."""

import signal
import subprocess
import time

import psutil

TARGET = "results/corpora/demo"


def start(workspace):
    """Start a run and wait until its first job runs; return it and its processes."""
    process = psutil.Popen(
        workspace.command(TARGET),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (workspace / "logs/corpora/demo.log").exists():
        assert process.poll() is None, "the run ended before it was at work"
        time.sleep(0.05)
    return process, process.children(recursive=True)


def test_a_second_run_is_refused_and_disturbs_nothing(workspace):
    first, _ = start(workspace)
    first.send_signal(signal.SIGSTOP)  # or it has finished before the second has started
    second = workspace.run(TARGET)
    first.send_signal(signal.SIGCONT)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stderr
    assert "can be removed with the --unlock argument" in second.stderr
    assert first.wait(300) == 0
    assert not list((workspace.folder / ".snakemake/runs").iterdir())
    assert workspace.jobs(TARGET) == {}


def test_the_same_command_continues_after_a_run_that_was_killed(workspace):
    first, jobs = start(workspace)
    first.kill()
    first.wait()
    assert psutil.wait_procs(jobs, timeout=20)[1] == []
    assert "the run before was killed; its lock is removed" in workspace.succeed(TARGET)
    assert workspace.jobs(TARGET) == {}
