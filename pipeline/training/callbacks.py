"""Callbacks beside the training steps: step limit, history."""

import logging
import math
import time
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytorch_lightning as pl

from pipeline.base.files import write_manifest
from pipeline.training.module import DEV_LOSS, DEV_SCORE, Monitor, Trainee
from pipeline.training.saving import SkipNonFinite

HISTORY = ["epoch", "step", "seconds", "train_loss", DEV_LOSS, DEV_SCORE]
HISTORY += ["learning_rate", "skipped_steps"]
"""Columns of a history."""
CONFLICTS = "conflicting_steps"
"""A further column: the share of steps with gradients of a chain against each other."""


class StepLimit(pl.Callback):
    """End the training after `steps`, also in the middle of an epoch, with a last dev score.

    The trainer's own `max_steps` stops without a dev score, and so without saved weights.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Stop after the last step."""
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.steps


class History(pl.Callback):
    """One row per epoch: losses, dev score, learning rate, and total seconds and skipped steps.

    `resumed_at` holds the steps at which earlier attempts were resumed.
    """

    def __init__(self, skips: SkipNonFinite, monitor: Monitor) -> None:
        self.skips, self.monitor = skips, monitor
        self.rows: list[dict[str, float]] = []
        self.resumed_at: list[int] = []
        self.loss_sum, self.steps, self.seconds, self.conflicts = 0.0, 0, 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock, on top of the seconds of earlier attempts."""
        self.started = time.monotonic() - self.seconds
        if trainer.global_step:
            self.resumed_at.append(trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Add up the loss of the epoch."""
        if self.skips.kept:
            self.loss_sum += self.skips.loss
            self.steps += 1
            self.conflicts += cast(Trainee, module).conflict

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Complete the row of the epoch, and log its score."""
        metrics = trainer.callback_metrics
        values = (
            trainer.current_epoch + 1,
            trainer.global_step,
            round(time.monotonic() - self.started, 2),
            self.loss_sum / self.steps if self.steps else math.nan,
            float(metrics[DEV_LOSS]),
            float(metrics[DEV_SCORE]),
            trainer.optimizers[0].param_groups[0]["lr"],
            self.skips.skipped,
        )
        row = dict(zip(HISTORY, values, strict=True))
        if cast(Trainee, module).settings.inner_projection:
            row[CONFLICTS] = self.conflicts / self.steps if self.steps else math.nan
        self.rows.append(row)
        name = self.monitor.name
        logging.info("epoch %d, step %d: %s %.2f", row["epoch"], row["step"], name, row[name])
        self.loss_sum, self.steps, self.conflicts = 0.0, 0, 0
        if not math.isfinite(row[name]) and trainer.is_global_zero:
            logging.warning(
                "epoch %d: %s is %s, so its weights are not the best", row["epoch"], name, row[name]
            )

    @property
    def best(self) -> dict[str, float] | None:
        """Return the row with the best finite monitored value; None if there is none."""
        finite = [row for row in self.rows if math.isfinite(row[self.monitor.name])]
        return max(finite, key=self.monitor.gain, default=None)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with the training's."""
        kept = ("rows", "resumed_at", "loss_sum", "steps", "conflicts")
        seconds = time.monotonic() - self.started
        return {key: vars(self)[key] for key in kept} | {"seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of an earlier attempt."""
        vars(self).update(state_dict)

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        columns = HISTORY + [CONFLICTS] * any(CONFLICTS in row for row in self.rows)
        write_manifest(path, pd.DataFrame(self.rows, columns=columns))
