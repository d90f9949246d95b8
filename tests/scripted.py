"""Scripts of the workflow, run without it in one process with the values that Snakemake gives."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from workspace import ROOT

RUN = """
import json, runpy, sys
from types import SimpleNamespace
from snakemake.iocontainers import Namedlist

def files(named):
    found = Namedlist()
    for name, value in named.items():
        first, several = len(found), isinstance(value, list)
        found.extend(value if several else [value])
        found._set_name(name, first, len(found) if several else None)
    return found

for script, given in json.loads(sys.argv[1]):
    lists = {name: files(given.pop(name)) for name in ("input", "output")}
    lists |= {name: Namedlist(fromdict=given.pop(name)) for name in ("params", "wildcards")}
    runpy.run_path(script, {"snakemake": SimpleNamespace(**lists, **given)})
"""


def given(
    input: dict[str, Any],
    output: dict[str, Any],
    params: dict[str, Any],
    wildcards: dict[str, str],
    **config: Any,
) -> dict[str, Any]:
    """The values for a job's script; `config` replaces sections of the default configuration."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    lists = {"input": input, "output": output, "params": params, "wildcards": wildcards}
    return lists | {"config": default | config, "threads": 1, "log": ["results/logs/job.log"]}


def run_scripts(folder: Path, *jobs: tuple[str, dict[str, Any]]) -> str:
    """Run scripts by name one after another, from a folder; return their log."""
    listed = [(str(ROOT / f"workflow/scripts/{name}.py"), facts) for name, facts in jobs]
    command = [sys.executable, "-c", RUN, json.dumps(listed, default=str)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr
