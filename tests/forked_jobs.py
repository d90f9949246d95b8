"""Jobs of a preloaded Snakemake in forks of a process that has imported torch and Lightning.

A job of most tests computes for less time than these imports take. As a script, this file stands
for Python in the command line of a job: it passes on the script, its environment and its open
files, waits, and ends with the job's exit status. The modules of the project are imported by each
job anew, and the runs that `workspace.apart` starts have the real Python. Settings that a library
reads as it is imported come too late here, and a job does not see the end of its Snakemake: tests
of these things start it otherwise.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import NoReturn

ADDRESS = "FORKED_JOBS"  # variable of the environment with the path of the socket


def listen(path: str) -> socket.socket:
    """A socket for the requests; its server may start later."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    return listening


def serve(listening: socket.socket) -> NoReturn:
    """Run jobs, several at a time, until this process is killed."""
    select.select([listening], [], [])
    import matplotlib.figure
    import pytorch_lightning
    import scipy.signal
    import torch

    assert torch and pytorch_lightning and scipy and matplotlib  # before the first fork
    gc.freeze()  # so that a fork's collections leave these pages shared
    running = dict[int, socket.socket]()
    while True:
        if select.select([listening], [], [], 0.02 if running else None)[0]:
            asked, _ = listening.accept()
            try:
                running[start(asked, [listening, *running.values()])] = asked
            except (OSError, ValueError):  # who asked is gone already
                asked.close()
        while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with running.pop(ended[0]) as asked, suppress(OSError):  # who asked may be gone
                asked.sendall(f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())


def start(asked: socket.socket, others: list[socket.socket]) -> int:
    """Start a job, and answer with the number of its process, which is returned."""
    _, files, _, _ = socket.recv_fds(asked, 1, 3)
    with asked.makefile("rb") as stream:
        request = json.loads(stream.readline())
    if (child := os.fork()) == 0:
        for each in (asked, *others):
            each.close()
        become(files, **request)
    for file in files:
        os.close(file)
    asked.sendall(f"{child}\n".encode())
    return child


def become(files: list[int], script: str, cwd: str, environment: dict[str, str]) -> NoReturn:
    """Run a script as Python would, in the place of the process that asked for it."""
    for descriptor, file in enumerate(files):
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = [script], os.path.dirname(script)  # noqa: PTH120 - as Python does
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    leave(status)


def leave(status: int) -> NoReturn:
    """End as Python does, but for the second that it takes to tear these modules down."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def ask(script: str) -> int:
    """Have a script run, and return its exit status; a signal is passed on to it."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[ADDRESS])
        socket.send_fds(server, [b"."], [0, 1, 2])
        request = {"script": script, "cwd": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
        server.sendall(json.dumps(request).encode() + b"\n")
        with server.makefile("rb") as answers:
            child = int(answers.readline())
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda number, frame: os.kill(child, number))
            status = int(answers.readline())
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1]))
