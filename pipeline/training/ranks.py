"""Train one network in several processes, with one process per device."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from multiprocessing import forkserver
from multiprocessing.connection import wait
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.base.jobs import cause_of, ignore_warnings
from pipeline.base.processes import end_with_parent, end_workers
from pipeline.config.extensions import LOADED, load_extensions

STOPS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""Signals on which a training saves its state."""


def in_ranks(ranks: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call `function(*arguments)` in `ranks` processes, which are connected if there are several.

    The variable `LOCAL_RANK` holds the number of each. They share the log and the signals of this
    process.

    Raises:
        PipelineError: the error of any process; the others are stopped.
    """
    if ranks == 1:
        return function(*arguments)
    # Each process is a fork of a server that has imported everything once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.training.train"])
    _start_server()
    log, errors = context.Queue(), context.SimpleQueue()
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    place |= {"NODE_RANK": "0", "WORLD_SIZE": str(ranks)}
    method = multiprocessing.get_start_method()
    extensions = list(LOADED.values())
    processes = [
        context.Process(
            target=_run,
            args=(
                place | {"LOCAL_RANK": str(k)},
                method,
                log,
                errors,
                extensions,
                function,
                arguments,
            ),
        )
        for k in range(ranks)
    ]
    listener = QueueListener(log, *logging.getLogger().handlers)
    before = {n: signal.signal(n, lambda *_: _tell(processes)) for n in STOPS}
    listener.start()
    try:
        with _without_main():
            for process in processes:
                process.start()
        _attend(processes, errors)
    finally:
        for process in processes:
            if process.pid:
                process.kill()
                process.join()
        listener.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_server() -> None:
    """Start the server so that it ignores signals to the whole job, of which it would die first."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOPS}
    try:
        with _without_main():
            forkserver.ensure_running()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _without_main() -> Iterator[None]:
    """Prevent a new process from running the main module first, which is a job's script here."""
    main = vars(sys.modules["__main__"])
    kept = {name: main.get(name) for name in ("__file__", "__spec__")}
    main.update(dict.fromkeys(kept))
    try:
        yield
    finally:
        main.update(kept)


def _run(
    place: dict[str, str],
    method: str,
    log: Any,
    errors: Any,
    extensions: list[str],
    function: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """Run the function in one of the processes."""
    os.environ |= place
    for number in STOPS:  # the server ignores them
        signal.signal(number, signal.SIG_DFL)
    multiprocessing.set_start_method(method, force=True)  # for the workers of data loaders
    ignore_warnings()
    end_with_parent()
    root = logging.getLogger()
    root.addHandler(QueueHandler(log))
    root.setLevel(logging.INFO if place["LOCAL_RANK"] == "0" else logging.ERROR)
    try:
        load_extensions(extensions)
        function(*arguments)
    except Exception as error:
        if line := str(error) if isinstance(error, PipelineError) else cause_of(error):
            errors.put(line)
            raise SystemExit(1) from None
        raise
    finally:
        end_workers()


def _attend(processes: list[Any], errors: Any) -> None:
    """Wait until all processes have ended well, or one has failed."""
    running = list(processes)
    while running:
        ready = wait([process.sentinel for process in running])
        for ended in [process for process in running if process.sentinel in ready]:
            running.remove(ended)
            ended.join()
            if ended.exitcode == 0:
                continue
            if not errors.empty():
                raise PipelineError(errors.get())
            rank, code = processes.index(ended), ended.exitcode
            why = f"killed by {signal.Signals(-code).name}" if code < 0 else "failed, see above"
            raise PipelineError(
                f"process {rank} of {len(processes)} that train together was {why};"
                " run the same command again to go on from the last saved state"
            )


def _tell(processes: list[Any]) -> None:
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
