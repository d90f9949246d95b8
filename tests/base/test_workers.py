import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest
import scipy.linalg  # noqa: F401  brings a library of linear algebra
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.base.errors import PipelineError
from pipeline.base.workers import in_workers


def slow_first(item):
    time.sleep(0.5 if item == 0 else 0)
    return item, os.getpid()


def refuse_odd(item):
    if item % 2:
        raise PipelineError(f"{item}.wav: is empty; remove it")
    return item


def die(item):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def numeric_threads(_):
    return [library["num_threads"] for library in threadpool_info()]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(workers):
    results = list(in_workers(workers, slow_first, range(5)))
    assert [item for item, _ in results] == [0, 1, 2, 3, 4]
    processes = {process for _, process in results}
    assert (processes == {os.getpid()}) if workers == 1 else (os.getpid() not in processes)


def test_nothing_to_do_starts_nothing():
    assert list(in_workers(4, slow_first, [])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_is_the_one_that_is_raised(workers):
    with pytest.raises(PipelineError) as error:
        list(in_workers(workers, refuse_odd, range(6)))
    assert str(error.value) == "1.wav: is empty; remove it"


def test_a_killed_worker_is_noticed():
    with pytest.raises(BrokenProcessPool):
        list(in_workers(2, die, range(4)))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_has_one_numeric_thread(workers):
    with threadpool_limits(2):  # like the job with two threads
        (threads,) = in_workers(workers, numeric_threads, [0])
        assert set(numeric_threads(0)) == {2}
    assert threads and set(threads) == {1}


# A job as its workers see it; the first line is their process ids.
JOB = """
from pipeline.base.workers import in_workers
from test_workers import wait_long
for process in in_workers(2, wait_long, range(4)):
    print(process, flush=True)
"""


def wait_long(item):
    time.sleep(0 if item < 2 else 60)
    return os.getpid()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_job(number):
    """Ctrl-C reaches a whole group, the other signals reach one process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.Popen(
        [sys.executable, "-c", JOB], stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    job.stdout.readline()
    below = psutil.Process(job.pid).children(recursive=True)
    assert len(below) >= 2
    (os.killpg if number == signal.SIGINT else os.kill)(job.pid, number)
    assert psutil.wait_procs(below, timeout=10)[1] == []
    job.wait(10)
    job.stdout.close()
