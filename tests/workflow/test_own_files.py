"""Lines that name a file of the run, with the cure followed: the same command rebuilds the file."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load
from systems import path_of
from workspace import SMOKE, Workspace

SCORES = "results/scores/scores.csv"
MODEL = "results/models/separate/small/clean/0"
ESTIMATES = "results/estimates/separate/small/clean/0/clean/test"


def line_of(workspace: Workspace, target: str, config: tuple[Path, ...] = (SMOKE,)) -> str:
    """The last error line of a failing run."""
    done = workspace.run(target, config=config)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    return next(line for line in done.stderr.splitlines() if " ERROR " in line)


def test_scores_that_stand_twice_are_made_again(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    fewer = tmp_path / "fewer.yaml"
    fewer.write_text("separators: {conv_tasnet: null}\n", encoding="utf-8")
    config = (SMOKE, fewer)
    workspace.succeed(SCORES, config=config)
    shard = workspace / f"scores/signal/{path_of('mixture')}/1-of-1.csv"
    text = shard.read_text(encoding="utf-8")
    shard.write_text(text + text.splitlines()[1] + "\n", encoding="utf-8")
    whole = (workspace.folder / SCORES).read_bytes()
    (workspace.folder / SCORES).unlink()
    line = line_of(workspace, SCORES, config)
    assert line.endswith(" is scored twice; delete the folder results/scores and run again")
    shutil.rmtree(workspace / "scores")
    workspace.succeed(SCORES, config=config)
    assert (workspace.folder / SCORES).read_bytes() == whole


def test_weights_and_manifests_that_cannot_be_read_are_made_again(finished, tmp_path):
    """They are not shorter than before; the start of a run would notice that."""
    workspace = finished.copy(tmp_path / "run")
    target = f"{ESTIMATES}/estimates.csv"
    weights, manifest, estimates = (
        workspace.folder / name
        for name in (f"{MODEL}/model.safetensors", "results/mixtures/test/mixtures.csv", target)
    )
    table, tensors = manifest.read_bytes(), load(weights.read_bytes())
    shutil.rmtree(estimates.parent)
    for path, fault in {weights: "damaged weights", manifest: "is not a manifest"}.items():
        path.write_bytes(b"\x80" * 2 * path.stat().st_size)
        line = line_of(workspace, target)
        assert fault in line and line.endswith("; delete it and run again")
        path.unlink()
    workspace.succeed(target)
    assert manifest.read_bytes() == table
    again = load(weights.read_bytes())
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
