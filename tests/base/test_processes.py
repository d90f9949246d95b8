import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from pipeline.base.processes import is_snakemake

pytestmark = pytest.mark.slow  # processes that start and end

# A stand-in with Snakemake's name, the only property of another process that is checked.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""
# A job; its output says how it is called and how it ended.
JOB = """
import os, signal, sys, time
from pipeline.base.processes import end_with_snakemake
def end(number, frame):
    print("SIGTERM", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
end_with_snakemake()
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def parent(tmp_path):
    """Start the stand-in under a name, with a job; return both."""
    started = []

    def start(name):
        script = tmp_path / name
        script.write_text(PARENT)
        command = [sys.executable, str(script), JOB]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        job = psutil.Process(int(process.stdout.readline()))
        started.extend([psutil.Process(process.pid), job])
        return process, job

    yield start
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert psutil.wait_procs(started, timeout=10)[1] == []


def test_a_job_ends_with_its_snakemake(parent):
    process, job = parent("snakemake")
    process.kill()
    assert psutil.wait_procs([job], timeout=10)[1] == []
    assert process.stdout.read() == "SIGTERM\n"


def test_a_job_outlives_a_process_that_is_not_snakemake(parent):
    process, job = parent("nohup")
    process.kill()
    time.sleep(2)
    assert job.is_running()


def test_a_killed_snakemake_that_waits_to_be_reaped_does_not_count(parent):
    process, _ = parent("snakemake")
    seen = psutil.Process(process.pid)
    assert is_snakemake(seen)
    process.kill()
    while seen.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_snakemake(seen)
    process.wait()
    assert not is_snakemake(seen)


# Like Snakemake: its handler takes a lock that the main thread holds for most of the time.
SCHEDULER = """
import os, signal, sys, threading, time
from pipeline.base.processes import stop_without_deadlock
lock, stopped = threading.Lock(), threading.Event()
def exit_gracefully(*args):
    with lock:
        stopped.set()
signal.signal(signal.SIGTERM, exit_gracefully)
stop_without_deadlock()
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    assert not stopped.is_set()
sys.exit(0 if stopped.wait(5) else 1)
"""


def test_a_stop_waits_for_the_lock_and_not_for_ever():
    done = subprocess.run([sys.executable, "-c", SCHEDULER], timeout=30)
    assert done.returncode == 0
