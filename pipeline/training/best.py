"""The weights that a training ends with: those of its best epoch, or the average of several."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.base.errors import PipelineError
from pipeline.training.callbacks import History
from pipeline.training.data import Recordings
from pipeline.training.module import Trainee

Weights = dict[str, Tensor]


def load_best(
    trainee: Trainee,
    curve: History,
    files: Sequence[Path],
    dev: Recordings,
    device: torch.device,
    precision: AbstractContextManager[Any],
) -> dict[str, Any]:
    """Load the best epoch's weights; or the average of all epochs in `files`, if dev likes it more.

    The average of the last or best epochs is often better than each of them (Izmailov et al. 2018,
    arXiv:1803.05407). It is measured on dev as the epochs were, in their `precision`.

    Returns:
        what the card says of an average: its scores and its epochs; nothing without one.

    Raises:
        PipelineError: a file is damaged.
    """
    epochs = sorted((_read(path) for path in files), key=lambda found: found[0])
    best = dict(curve.best or {})
    by_epoch = dict(epochs)
    trainee.network.load_state_dict(by_epoch.get(int(best["epoch"]) - 1, epochs[-1][1]))
    if len(epochs) == 1:
        return {}
    single = {name: tensor.clone() for name, tensor in trainee.network.state_dict().items()}
    trainee.network.load_state_dict(average([weights for _, weights in epochs]))
    with precision:
        scores = trainee.to(device).scores(dev)
    trainee.to("cpu")
    name = curve.monitor.name
    names = [epoch + 1 for epoch, _ in epochs]
    logging.info("average of epochs %s: %s %.2f", ", ".join(map(str, names)), name, scores[name])
    if not curve.monitor.gain(scores) > curve.monitor.gain(best):
        trainee.network.load_state_dict(single)
        return {}
    return {"best": best | scores, "averaged_epochs": names}


def average(several: Sequence[Weights]) -> Weights:
    """The mean of each tensor; whole numbers are those of the last.

    >>> average([{"w": torch.tensor([1.0])}, {"w": torch.tensor([2.0])}])
    {'w': tensor([1.5000])}
    """
    return {
        name: torch.stack([weights[name] for weights in several]).mean(0)
        if last.is_floating_point()
        else last
        for name, last in several[-1].items()
    }


def _read(path: Path) -> tuple[int, Weights]:
    """The epoch, from 0 on, and the weights of a saved state."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of torch, pickle or the disk
        raise PipelineError(
            f"{path}: damaged; remove {path.parent} to train from the start"
        ) from error
    weights = {name.removeprefix("network."): t for name, t in checkpoint["state_dict"].items()}
    return int(checkpoint["epoch"]), weights
