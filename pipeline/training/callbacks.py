"""Callbacks beside the training steps: schedule, step limit, history, samples in TensorBoard."""

import logging
import math
import shutil
import time
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pipeline import audio
from pipeline.base.files import write_manifest
from pipeline.training.module import DEV_LOSS, DEV_SCORE, Monitor, Trainee
from pipeline.training.saving import SkipNonFinite

HISTORY = ["epoch", "step", "seconds", "train_loss", DEV_LOSS, DEV_SCORE]
HISTORY += ["learning_rate", "skipped_steps"]
"""Columns of a history."""


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


class History(pl.Callback):
    """One row per epoch: losses, dev score, learning rate, and total seconds and skipped steps.

    `resumed_at` holds the steps at which earlier attempts were resumed.
    """

    def __init__(self, skips: SkipNonFinite, monitor: Monitor) -> None:
        self.skips, self.monitor = skips, monitor
        self.rows: list[dict[str, float]] = []
        self.resumed_at: list[int] = []
        self.loss_sum, self.steps, self.seconds = 0.0, 0, 0.0

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
        self.rows.append(row)
        name = self.monitor.name
        logging.info("epoch %d, step %d: %s %.2f", row["epoch"], row["step"], name, row[name])
        self.loss_sum, self.steps = 0.0, 0
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
        kept = ("rows", "resumed_at", "loss_sum", "steps")
        seconds = time.monotonic() - self.started
        return {key: vars(self)[key] for key in kept} | {"seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of an earlier attempt."""
        vars(self).update(state_dict)

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        write_manifest(path, pd.DataFrame(self.rows, columns=HISTORY))


class Samples(pl.Callback):
    """A few dev recordings in TensorBoard after every epoch, as audio and as spectrograms.

    The first recording is also kept in `folder` as FLAC: `mixture`, `reference_<k>`, and the
    estimates of the first and of the best epoch so far, `first_<k>` and `best_<k>`.
    """

    def __init__(
        self,
        sample_rate: int,
        folder: Path,
        monitor: Monitor,
        recordings: int = 2,
        seconds: float = 4.0,
    ) -> None:
        self.sample_rate, self.folder, self.recordings = sample_rate, folder, recordings
        self.monitor = monitor
        self.length, self.best = int(seconds * sample_rate), -math.inf

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        """Write the estimates, and in the first epoch also the mixture and the references."""
        if index >= self.recordings or not trainer.is_global_zero:
            return
        inputs, targets, _ = batch
        given = {"mixture": inputs[0]} | numbered("reference", targets[0])
        shown = numbered("estimate", outputs[0]) | (given if trainer.current_epoch == 0 else {})
        for name, signal in shown.items():
            self._write(trainer, f"dev_{index}/{name}", signal)
        if index == 0:
            self.estimates = cast(Trainee, module).loss.ordered(outputs, targets)[0]
            if trainer.current_epoch == 0:
                shutil.rmtree(self.folder, ignore_errors=True)  # of an earlier training
                self._keep(given)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the estimates if the epoch is the first, or better than all earlier ones."""
        if not trainer.is_global_zero:
            return
        if trainer.current_epoch == 0:
            self._keep(numbered("first", self.estimates))
        score = self.monitor.gain(trainer.callback_metrics)
        if score > self.best:
            self.best = score
            self._keep(numbered("best", self.estimates))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with the training's."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where an earlier attempt stopped."""
        self.best = state_dict["best"]

    def _write(self, trainer: pl.Trainer, tag: str, signal: torch.Tensor) -> None:
        signal = self._excerpt(signal)
        board, step = cast(TensorBoardLogger, trainer.logger).experiment, trainer.global_step
        board.add_audio(tag, signal[None], step, self.sample_rate)
        board.add_image(f"{tag}_spectrogram", spectrogram_image(signal), step)

    def _keep(self, signals: dict[str, torch.Tensor]) -> None:
        for name, signal in signals.items():
            path = self.folder / f"{name}.flac"
            audio.write(path, self._excerpt(signal).numpy(), self.sample_rate, format="FLAC")

    def _excerpt(self, signal: torch.Tensor) -> torch.Tensor:
        """The first seconds of `[time]`, scaled to full scale."""
        return full_scale(signal[: self.length].detach().float().cpu())


def numbered(name: str, signals: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return each of `[sources, time]` by its name: `<name>_1`, `<name>_2` …"""
    return {f"{name}_{k}": signal for k, signal in enumerate(signals, 1)}


def full_scale(signal: torch.Tensor) -> torch.Tensor:
    """Scale `[time]` to a peak of 1; the result is silence if a sample is NaN or infinite."""
    scaled = signal / signal.abs().max().clamp(min=1e-8)
    return scaled if scaled.isfinite().all() else torch.zeros_like(signal)


def spectrogram_image(signal: torch.Tensor, floor: float = -80.0) -> torch.Tensor:
    """Return the log-magnitude spectrogram of `[time]`, a `[1, frequency, frames]` image in 0…1."""
    spectrum = torch.stft(signal, 256, 64, window=torch.hann_window(256), return_complex=True)
    level = 20 * spectrum.abs().clamp(min=1e-8).log10()
    scaled = (level - level.max()).clamp(min=floor) / -floor + 1
    return scaled.flip(0)[None]
