"""Move models in the layout of version 0.1 to their present places.

A denoiser was `models/denoisers/<name>`, a separator `models/separators/<name>/<trained>`.
Estimates, scores and latencies have other columns now and are rebuilt.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_json, write_json
from pipeline.base.receipts import SUFFIX, discard, is_inside
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.tasks.grammar import NOISY, Condition, ModelKey
from pipeline.training.state import program

TASKS_OF_ROLES = {"denoiser": DENOISE.name, "separator": SEPARATE.name}
STAGES = ("training", "inference", "evaluation")  # their receipts name the old places
REPLACED = (
    *("estimates/denoised", "estimates/separated", "estimates/*.csv"),
    *("scores/*/mixture", "scores/*/denoised", "scores/*/separated"),
)


def move_earlier(results: Path, asks: bool) -> Iterator[str]:
    """Move the models of an earlier version, and remove outputs that are rebuilt.

    A finished training is restored from its folder `state` when its job runs: in seconds, if its
    settings and data are the same. An unfinished one continues.

    Args:
        results: folder of the results.
        asks: whether the command runs no job; then it is only reported what would be done.

    Yields:
        A line, if there are such models.

    Raises:
        PipelineError: a model is in both places.
    """
    moves = list(_moves(results / "models"))
    if not moves:
        return
    done = "would be" if asks else "are"
    yield (
        f"{results}: was made by an earlier version; {len(moves)} models {done} moved to their new"
        " places, and estimates and scores are rebuilt"
    )
    if asks:
        return
    for old, new in moves:
        if new.exists():
            raise PipelineError(f"{new}: is there already; remove it or {old}, and run again")
    for stage in STAGES:
        for receipt in (results / "logs" / stage).glob(f"*{SUFFIX}"):
            receipt.unlink()
    for path in (path for pattern in REPLACED for path in results.glob(pattern)):
        if is_inside(path):
            discard(path)
    for old, new in moves:
        _adopt(old)
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)


def _moves(models: Path) -> Iterator[tuple[Path, Path]]:
    """Old and new folder of every model."""
    for path in filter(Path.is_dir, sorted(models.glob("denoisers/*"))):
        yield path, models / ModelKey(DENOISE.name, path.name, NOISY).path
    for path in filter(Path.is_dir, sorted(models.glob("separators/*/*"))):
        key = ModelKey(SEPARATE.name, path.parent.name, Condition.parse(path.name))
        yield path, models / key.path


def _adopt(model: Path) -> None:
    """Turn the state of a training into that of the same training in this version."""
    ended, begun = model / "state/finished.json", model / "state/job.json"
    if ended.exists():
        facts = read_json(ended)
        # Trainings of this version give the same bits.
        write_json(ended, facts | {"job": _translated(facts["job"]), "programs": [program()]})
        for name in ("model.safetensors", "history.csv"):
            (model / name).unlink(missing_ok=True)
    if begun.exists():
        facts = read_json(begun)
        write_json(begun, facts | {"facts": _translated(facts["facts"])})


def _translated(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a training; `task` was called `role` in them."""
    kept = {key: value for key, value in facts.items() if key != "role"}
    return kept | {"task": TASKS_OF_ROLES[facts["role"]]} if "role" in facts else facts
