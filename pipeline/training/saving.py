"""What lets a training survive: saved state, an orderly stop, steps that are left out."""

import logging
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from pipeline.base.errors import PipelineError
from pipeline.training.module import STOPS, Monitor, Trainee
from pipeline.training.state import State

MOST_SKIPPED = 5  # in a row


class SkipNonFinite(pl.Callback):
    """Leave the weights as they are after a step whose loss or gradients are NaN or infinite.

    `loss` is that of the latest step, over all devices, and `kept` whether it was applied;
    `skipped` counts the steps of the whole training that were not, `in_a_row` those up to now.
    """

    def __init__(self) -> None:
        self.loss, self.kept = math.nan, True
        self.skipped, self.in_a_row = 0, 0

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Judge the step, with one result on all devices, since their gradients are one too."""
        loss = trainer.strategy.reduce(cast(Trainee, module).latest_loss)
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        self.kept = bool(get_total_norm([loss, *gradients]).isfinite())
        self.loss = float(loss)
        module.log("train_loss", self.loss, prog_bar=True)
        if self.kept:
            self.in_a_row = 0
            return
        optimizer.zero_grad()  # to None, and the optimiser passes over what has no gradient
        self.skipped += 1
        self.in_a_row += 1
        step = trainer.global_step + 1
        logging.warning("step %d left out: its loss or gradients are NaN or infinite", step)

    def state_dict(self) -> dict[str, Any]:
        """Saved with the training's state."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue an earlier attempt's count."""
        self.skipped = state_dict["skipped"]


class SaveState(pl.Callback):
    """Save all that a killed training needs to go on: every `seconds`, and when asked to stop.

    A state is saved between two steps, also before the last step of each epoch: what follows
    that step (dev score, learning rate, early stopping) is done once, by whoever continues.
    """

    def __init__(self, state: State, seconds: float, skips: SkipNonFinite) -> None:
        self.state, self.seconds, self.skips = state, seconds, skips
        self.saved = time.monotonic()
        self.asked: signal.Signals | None = None
        self.generators: dict[str, torch.Tensor] | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Listen to signals, in place of the trainer, which stops only as an epoch ends."""
        if trainer.received_sigterm:
            self.asked = signal.SIGTERM
        self.before = {number: signal.signal(number, self._ask) for number in STOPS}

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Save if it is time to, and stop if there is cause to."""
        self._restore_generators()
        # By this the trainer numbers the points of curves, one too many where it resumes.
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step
        due = index + 1 >= trainer.num_training_batches or self._late
        urgency = torch.tensor(2.0 if self._stopping else float(due), device=module.device)
        urgency = trainer.strategy.reduce(urgency, reduce_op="max")  # all devices or none
        if urgency > 0:
            self._save(trainer)
        if urgency > 1:
            raise PipelineError(self._cause(trainer))

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        """Stop if asked to: the state from before the epoch's last step is there."""
        if self.asked:
            raise PipelineError(self._cause(trainer))

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Leave signals to whom they were."""
        for number, handler in getattr(self, "before", {}).items():
            signal.signal(number, handler)

    def state_dict(self) -> dict[str, Any]:
        """The random numbers to come, saved with the training's state."""
        if not torch.cuda.is_available():
            return {"cpu": torch.get_rng_state()}
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until the first step: what comes before it draws numbers too."""
        self.generators = state_dict

    def _restore_generators(self) -> None:
        if self.generators is None:
            return
        torch.set_rng_state(self.generators["cpu"])
        if "cuda" in self.generators and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.generators["cuda"])
        self.generators = None

    @property
    def _stopping(self) -> bool:
        return self.asked is not None or self.skips.in_a_row >= MOST_SKIPPED

    @property
    def _late(self) -> bool:
        return time.monotonic() - self.saved >= self.seconds

    def _ask(self, number: int, frame: FrameType | None) -> None:
        """Stop at the next step; whoever interrupts twice does not wait for it."""
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        self.asked = signal.Signals(number)

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            # Else a kill would leave a gap in the curves, before the step that is resumed from.
            cast(TensorBoardLogger, trainer.logger).experiment.flush()
        self.state.keep(
            lambda path: trainer.save_checkpoint(path, weights_only=False), trainer.is_global_zero
        )
        self.saved = time.monotonic()

    def _cause(self, trainer: pl.Trainer) -> str:
        if self.skips.in_a_row >= MOST_SKIPPED:
            return (
                f"loss or gradients are NaN or infinite in {self.skips.in_a_row} steps in a row,"
                f" up to step {trainer.global_step}; the weights before them are kept in"
                f" {self.state.last}; lower training.learning_rate and remove {self.state.folder}"
                " to start again, or look for the cause in the training data"
            )
        name = self.asked.name if self.asked else "a signal"
        return f"stopped by {name}; its state is saved: run the same command again to go on"


class Best(ModelCheckpoint):
    """Keep the state of the best epoch, wherever the folder is moved to."""

    def __init__(self, path: Path, monitor: Monitor) -> None:
        # Not save_weights_only: it would leave out averaged weights, the ones that were scored.
        super().__init__(
            path.parent,
            filename=path.stem,
            monitor=monitor.name,
            mode=monitor.mode,
            enable_version_counter=False,
        )
        self.path = str(path)

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Whether the epoch is the best so far; one whose score is NaN or infinite never is."""
        finite = current is not None and bool(current.isfinite())
        return finite and super().check_monitor_top_k(trainer, current)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the earlier scores, and for their paths the present one."""
        here: dict[str, Any] = {"dirpath": self.dirpath}
        if state_dict["best_model_path"]:
            here |= {"best_model_path": self.path, "kth_best_model_path": self.path}
            here["best_k_models"] = {self.path: state_dict["best_model_score"]}
        super().load_state_dict(state_dict | here)
