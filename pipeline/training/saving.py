"""Callbacks that keep a training safe: saved state, an orderly stop, skipped steps."""

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
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from pipeline.base.errors import PipelineError
from pipeline.training.module import Monitor, Trainee
from pipeline.training.ranks import STOPS
from pipeline.training.state import BEST, State
from pipeline.training.trackers import Tracker

MOST_SKIPPED = 5  # in a row


class SkipNonFinite(pl.Callback):
    """Skip the update of the weights if the loss or the gradients are NaN or infinite.

    `loss` is the loss of the last step, over all devices, and `kept` whether the step was applied.
    `skipped` counts the skipped steps of the whole training, `in_a_row` those up to now.
    """

    def __init__(self) -> None:
        self.loss, self.kept = math.nan, True
        self.skipped, self.in_a_row = 0, 0

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Check the step; the result is equal on all devices, since they share their gradients."""
        loss = trainer.strategy.reduce(cast(Trainee, module).latest_loss)
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        self.kept = bool(get_total_norm([loss, *gradients]).isfinite())
        self.loss = float(loss)
        module.log("train_loss", self.loss, prog_bar=True)
        if self.kept:
            self.in_a_row = 0
            return
        optimizer.zero_grad()  # to None; the optimiser then skips all parameters
        self.skipped += 1
        self.in_a_row += 1
        step = trainer.global_step + 1
        logging.warning("step %d left out: its loss or gradients are NaN or infinite", step)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with the training's."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the count of an earlier attempt."""
        self.skipped = state_dict["skipped"]


class SaveState(pl.Callback):
    """Save the full state of a training every `seconds`, and when a signal asks it to stop.

    A state is saved between two steps, also before the last step of each epoch: the actions after
    that step (dev score, learning rate, early stopping) are done once, also if it is resumed.
    """

    def __init__(self, state: State, seconds: float, skips: SkipNonFinite) -> None:
        self.state, self.seconds, self.skips = state, seconds, skips
        self.saved = time.monotonic()
        self.asked: signal.Signals | None = None
        self.generators: dict[str, torch.Tensor] | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Handle signals instead of the trainer, which would stop only at the end of an epoch."""
        if trainer.received_sigterm:
            self.asked = signal.SIGTERM
        self.before = {number: signal.signal(number, self._ask) for number in STOPS}

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Save the state if it is due, and stop if there is a reason."""
        self._restore_generators()
        # The trainer numbers the points of curves by this, with one too many after resuming.
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
        """Stop if a signal asked for it: the state before the last step of the epoch is saved."""
        if self.asked:
            raise PipelineError(self._cause(trainer))

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Restore the earlier signal handlers."""
        for number, handler in getattr(self, "before", {}).items():
            signal.signal(number, handler)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the random generators, which are saved with the training's state."""
        if not torch.cuda.is_available():
            return {"cpu": torch.get_rng_state()}
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until the first step, since the code before it also draws numbers."""
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
        """Stop at the next step; a second interrupt stops at once."""
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        self.asked = signal.Signals(number)

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            # Otherwise a kill would leave a gap in the curves before the step that is resumed.
            for tracker in cast(list[Tracker], trainer.loggers):
                tracker.flush()
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
    """Keep the states of the best epochs, `count` of them; the folder may be moved."""

    def __init__(self, state: State, monitor: Monitor, count: int = 1) -> None:
        # Not save_weights_only: it would omit the averaged weights, which are the ones scored.
        super().__init__(
            state.folder,
            filename=BEST if count == 1 else f"{BEST}-{{epoch}}",
            monitor=monitor.name,
            mode=monitor.mode,
            save_top_k=count,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    @property
    def files(self) -> list[Path]:
        """The states of the best epochs, and no other of the folder."""
        return [Path(path) for path in self.best_k_models]

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Return whether the epoch is the best so far; one with a NaN or infinite score is not."""
        finite = current is not None and bool(current.isfinite())
        return finite and super().check_monitor_top_k(trainer, current)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the earlier scores, and replace the folder by the present one."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        moved: dict[str, Any] = {"dirpath": self.dirpath}
        for name in ("best_model_path", "kth_best_model_path"):
            moved[name] = here(state_dict[name])
        scores = state_dict["best_k_models"]
        moved["best_k_models"] = {here(path): score for path, score in scores.items()}
        super().load_state_dict(state_dict | moved)
