"""Callbacks of the learning rate and of the size of gradients."""

import math
from bisect import insort
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pipeline.training.module import Monitor
from pipeline.training.saving import SkipNonFinite


class Plateau(pl.Callback):
    """Halve the learning rate when the monitored value has not improved for `patience` epochs.

    This is a callback because the trainer does not step such schedulers after a resumed epoch.
    """

    def __init__(self, patience: int, monitor: Monitor) -> None:
        self.patience, self.monitor, self.earlier = patience, monitor, dict[str, Any]()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take the optimiser, and continue the schedule of an earlier attempt."""
        # Not the default relative threshold, by which a constant negative score would be better.
        self.scheduler = ReduceLROnPlateau(
            trainer.optimizers[0], "max", 0.5, self.patience, threshold_mode="abs"
        )
        self.scheduler.load_state_dict(self.earlier)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Pass the value of the epoch to the scheduler."""
        self.scheduler.step(self.monitor.gain(trainer.callback_metrics))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with the training's."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the saved state until the optimiser exists."""
        self.earlier = state_dict


class Steps(pl.Callback):
    """Set the learning rate of each step: `rate` times a factor that the step decides alone.

    In the `warmup` first steps the factor grows in equal parts to 1 (Goyal et al. 2017,
    arXiv:1706.02677, section 2.2). With `cosine` it then falls along half a cosine, to 0 after the
    last step (Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts);
    otherwise the rate is left as it is.
    """

    def __init__(self, rate: float, warmup: int, cosine: bool, most: int | None) -> None:
        self.rate, self.warmup, self.cosine, self.most = rate, warmup, cosine, most

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Set it in the optimiser."""
        step = trainer.global_step
        if step > self.warmup and not self.cosine:
            return
        last = int(trainer.num_training_batches) * int(trainer.max_epochs or 1)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.rate * factor(
                step, self.warmup, self.cosine, min(last, self.most or last)
            )


def factor(step: int, warmup: int, cosine: bool, last: int) -> float:
    """The factor of step 0, 1, … of `last` in all.

    >>> [factor(step, 2, True, 6) for step in (0, 1, 2, 4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup:
        return (step + 1) / warmup
    if not cosine:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * min((step - warmup) / max(last - warmup, 1), 1.0))


def percentile(ascending: Sequence[float], share: float) -> float:
    """The percentile of values in ascending order, at once however many there are.

    Linear between two of them.

    >>> percentile([1.0, 2.0, 4.0], 75)
    3.0
    """
    place = (len(ascending) - 1) * share / 100
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (place - low) * (ascending[high] - ascending[low])


class ClipByHistory(pl.Callback):
    """Clip the gradients to a percentile of the norms of all steps so far, this one among them.

    `norms` are in ascending order.

    AutoClip (Seetharaman et al. 2020, arXiv:2007.14469). Steps that are left out do not count.
    """

    def __init__(self, percentile: float, skips: SkipNonFinite) -> None:
        self.percentile, self.skips, self.norms = percentile, skips, list[float]()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Clip in place; the norm is equal on all devices, since they share their gradients."""
        if not self.skips.kept:
            return
        own = list(module.parameters())
        insort(self.norms, float(clip_grad_norm_(own, math.inf)))
        clip_grad_norm_(own, percentile(self.norms, self.percentile))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with the training's."""
        return {"norms": self.norms}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of an earlier attempt."""
        self.norms = state_dict["norms"]
