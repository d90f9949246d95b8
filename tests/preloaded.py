"""Snakemake's commands in forks of a process that has imported it: that takes as long as a dry run.

`python tests/preloaded.py snakemake` reads requests, a line of JSON each, and answers with the exit
status. The second word of that command is how jobs recognise a process of Snakemake. Its jobs are
forks, too (`forked_jobs.py`).
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import forked_jobs

SECONDS = 1200  # that a command may take


class Preloaded:
    """Runs commands one after another; its process starts with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Run `snakemake` with these arguments, in the present folder and environment."""
        if self._process is None:
            command, pipe = [sys.executable, __file__, "snakemake"], subprocess.PIPE
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
            )
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            request = {"arguments": arguments, "folder": folder, "cwd": str(Path.cwd())}
            request |= {"environment": dict(os.environ)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], SECONDS)[0]:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process = None
                raise TimeoutError(f"snakemake {' '.join(arguments)} takes over {SECONDS} s")
            status = int(self._process.stdout.readline())
            printed = [Path(folder, name).read_text("utf-8") for name in ("out", "err")]
        return subprocess.CompletedProcess(arguments, status, *printed)


def serve() -> None:
    """Answer requests until there are no more."""
    folder = tempfile.mkdtemp()
    address = f"{folder}/jobs"
    listening = forked_jobs.listen(address)
    if (server := os.fork()) == 0:
        redirect(os.devnull, f"{address}.log", f"{address}.log")
        forked_jobs.serve(listening)
    listening.close()
    import snakemake.cli

    from pipeline.base import recovery
    from pipeline.corpora import catalogue
    from pipeline.evaluation import extras

    assert recovery and catalogue and extras  # what the rules import
    snakemake.cli.get_argument_parser()  # imports the plugins
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            os.environ[forked_jobs.ADDRESS] = address
            sys.executable = f"{sys.executable} -ISs {forked_jobs.__file__}"  # of its jobs
            snakemake.cli.main()  # which exits
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    os.kill(server, signal.SIGTERM)
    shutil.rmtree(folder)


def become(arguments: list[str], folder: str, cwd: str, environment: dict[str, str]) -> None:
    """Make this process the one that a shell would have started."""
    redirect(os.devnull, f"{folder}/out", f"{folder}/err")
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]


def redirect(*paths: str) -> None:
    """Open files as standard input, output and error."""
    for descriptor, path in enumerate(paths):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), descriptor)


if __name__ == "__main__":
    serve()
