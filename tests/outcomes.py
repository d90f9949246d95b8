"""The outcome of a run: its cause of failure, its files, and their differences from another run."""

import re
from collections.abc import Iterator
from io import StringIO

import pandas as pd
import torch
from safetensors.torch import load_file
from workspace import Workspace

# Lines that give a person the cause of a failure: our lines, and those of Snakemake.
CAUSE = re.compile(
    r"^(\S+ \S+ ERROR |error: )(?P<ours>.+)$"
    r"|^.*(?P<killed>died with <Signals\.\w+: \d+>).*$"
    r"|^Error: (?P<locked>Directory cannot be locked).*$"
    r"|^Output .*(?P<clock>could indicate a clock skew problem).*$",
    re.MULTILINE,
)
FITTED = "INFO best epoch"  # a training finished
RESTORED = "this training has ended before"
# The final outputs of a run: those that the target `all` requests.
WEIGHTS = "models/**/model.safetensors"
TABLES = (
    "corpora/*.csv",
    "mixtures/*/mixtures.csv",
    "mixtures/*/metadata/**/*.csv",
    "models/**/history.csv",
    "estimates/*/*/*/*/*/test/estimates.csv",
    "scores/*.csv",
)


def cause(text: str) -> str:
    """The first line that gives the cause of a failure."""
    found = CAUSE.search(text)
    return next(filter(None, found.groupdict().values()), "") if found else ""


def made(run: Workspace, *patterns: str) -> list[str]:
    """Files of a run."""
    found = (path for pattern in patterns for path in (run / "").glob(pattern))
    return sorted(str(path.relative_to(run / "")) for path in found)


def fitted(run: Workspace, model: str) -> float:
    """When a training ended, in seconds since the epoch; 0 if it was only restored."""
    name = model.removeprefix("models/").replace("/", "_")
    log = run / f"logs/training/{name}.log"
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return log.stat().st_mtime if text.rfind(FITTED) > text.rfind(RESTORED) else 0


def differences(expected: Workspace, found: Workspace) -> Iterator[str]:
    """Names of weights, curves, manifests and scores that differ."""
    for name in made(expected, WEIGHTS, *TABLES):
        if not (found / name).exists():
            yield f"{name}: missing"
        elif name.endswith(".csv"):
            if not table(expected, name).equals(table(found, name)):
                yield f"{name}: another table"
        elif not same(load_file(expected / name), load_file(found / name)):
            yield f"{name}: other weights"


def table(run: Workspace, name: str) -> pd.DataFrame:
    """A table without times and folders: LibriMix's tables have absolute paths."""
    text = (run / name).read_text(encoding="utf-8").replace(f"{run.folder}/", "")
    table = pd.read_csv(StringIO(text))
    times = [name for name in table if name == "seconds" or name.startswith("minutes")]
    return table.drop(columns=times)


def same(tensors: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return all(tensors[name].equal(others[name]) for name in tensors)
