"""SNR, STOI and PESQ of dev while a network trains, which decide nothing."""

from collections import defaultdict
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch

from pipeline.evaluation.metrics import Array, intelligibility, pesq, snr
from pipeline.training.module import Trainee


class Quality(pl.Callback):
    """Means over dev, logged after every `every`-th epoch, the first one included.

    Args:
        sample_rate: of the recordings, in Hz.
        every: epochs between two computations.
    """

    def __init__(self, sample_rate: int, every: int) -> None:
        self.sample_rate, self.every = sample_rate, every
        self.values = defaultdict[str, list[float]](list)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        """Score a recording."""
        if trainer.current_epoch % self.every:
            return
        targets, loss = batch[1], cast(Trainee, module).loss
        reference, estimate = (
            signal[0].float().cpu().numpy().astype(np.float64)
            for signal in (targets, loss.ordered(outputs, targets))
        )
        for name, values in quality(reference, estimate, self.sample_rate).items():
            if not (name == "snr" and loss.permuted):  # separators leave their scale open
                self.values[name] += values.tolist()

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the means over what is defined, of all devices together."""
        for name, values in self.values.items():
            known = torch.tensor(values, dtype=torch.float32, device=module.device)
            sums = torch.stack([known.nansum(), known.isfinite().sum()])
            total, count = trainer.strategy.reduce(sums, reduce_op="sum")
            module.log(f"dev_{name}", total / count)
        self.values.clear()


def quality(reference: Array, estimate: Array, sample_rate: int) -> dict[str, Array]:
    """Return SNR in dB, STOI and PESQ of `[sources, time]`, each `[sources]`."""
    understood = intelligibility(reference, estimate, sample_rate, ["stoi"])
    rated = pesq(reference, estimate, sample_rate)
    return {"snr": snr(reference, estimate), **understood, "pesq": rated}
