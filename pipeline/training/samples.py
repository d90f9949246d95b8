"""A few dev recordings to hear and to see while a network trains."""

import math
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytorch_lightning as pl
import torch
from PIL import Image

from pipeline import audio
from pipeline.training.module import Monitor, Trainee
from pipeline.training.trackers import Tracker


class Samples(pl.Callback):
    """A few dev recordings in the trackers after every `every`-th epoch, as audio and pictures.

    The first recording is also kept in `folder` as FLAC: `mixture`, `reference_<k>`, and the
    estimates of the first and of the best epoch so far, `first_<k>` and `best_<k>`.
    """

    def __init__(
        self,
        sample_rate: int,
        folder: Path,
        monitor: Monitor,
        every: int = 1,
        recordings: int = 2,
        seconds: float = 4.0,
    ) -> None:
        self.sample_rate, self.folder, self.recordings = sample_rate, folder, recordings
        self.monitor, self.every = monitor, every
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
        if trainer.loggers and trainer.current_epoch % self.every == 0:
            self._show(trainer, {f"dev_{index}/{name}": each for name, each in shown.items()})
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

    def _show(self, trainer: pl.Trainer, signals: dict[str, torch.Tensor]) -> None:
        with TemporaryDirectory() as folder:
            for tag, signal in signals.items():
                name, excerpt = tag.rpartition("/")[2], self._excerpt(signal)
                sound, picture = (Path(folder, f"{name}.{end}") for end in ("flac", "png"))
                audio.write(sound, excerpt.numpy(), self.sample_rate, format="FLAC")
                spectrogram_image(excerpt).save(picture)
                for tracker in cast(list[Tracker], trainer.loggers):
                    tracker.show(tag, sound, picture, trainer.global_step)

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


def spectrogram_image(signal: torch.Tensor, floor: float = -80.0) -> Image.Image:
    """Return the log-magnitude spectrogram of `[time]`, low frequencies below; white is 0 dB."""
    spectrum = torch.stft(signal, 256, 64, window=torch.hann_window(256), return_complex=True)
    level = 20 * spectrum.abs().clamp(min=1e-8).log10()
    scaled = (level - level.max()).clamp(min=floor) / -floor + 1
    return Image.fromarray((255 * scaled.flip(0)).byte().numpy())
