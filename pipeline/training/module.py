"""A network with its loss, optimiser and dev score, as Lightning runs it."""

import signal
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from pipeline.base.errors import PipelineError
from pipeline.config import Training
from pipeline.losses.loss import Loss
from pipeline.losses.waveform import neg_snr
from pipeline.models.signals import Inputs, Outputs, passed
from pipeline.models.with_noise import bare
from pipeline.training.data import EpochSampler, Examples, Recordings, Segments, Share
from pipeline.training.dynamic import Fresh, FreshMixtures, FreshSampler
from pipeline.training.joint import add_projected
from pipeline.training.ranks import STOPS

DEV_SCORE, DEV_LOSS = "dev_si_sdri", "dev_loss"
INNER = "inner"
"""Name of the loss of the signal inside of a chain, among the terms of a loss."""
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Monitor(NamedTuple):
    """The value of dev that chooses the best epoch: the highest score, or the lowest loss."""

    name: str = DEV_SCORE

    @property
    def mode(self) -> Literal["max", "min"]:
        """Which of its values is the best."""
        return "max" if self.name == DEV_SCORE else "min"

    def gain(self, values: Mapping[str, Any]) -> float:
        """Its value among those of an epoch, with the sign at which more is better."""
        value = float(values[self.name])
        return value if self.mode == "max" else -value


class Trainee(pl.LightningModule):
    """Trains a network `[batch, time]` to `[batch, sources, time]`.

    A `front`, a denoiser `[batch, time]` to `[batch, 1, time]`, is applied to the segments first.
    """

    def __init__(
        self, network: nn.Module, loss: Loss, settings: Training, front: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.network, self.loss, self.settings = network, loss, settings
        self.conflict = False  # of the gradients of the last step
        self.dev = defaultdict[str, list[torch.Tensor]](list)  # values of this epoch's recordings
        # In a tuple it is no part of the module: not saved, averaged or put in training mode.
        self.front = () if front is None else (front.eval().requires_grad_(False),)

    def on_train_start(self) -> None:
        """Bring the front to where the network is."""
        for front in self.front:
            front.to(self.device)

    def training_step(self, batch: tuple[torch.Tensor, ...], _: int) -> torch.Tensor:
        """Loss of one batch of segments, in fp32 whatever the precision of the network."""
        inputs, targets = batch
        inputs = self._denoised(inputs)
        parts = self._parts(self._outputs(inputs, targets), inputs, targets)
        loss = self._total(parts)
        self.latest_loss, self.latest_parts = loss.detach(), parts
        self.log_dict(_named("train_loss", parts))
        return loss

    def backward(self, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients: of a chain perhaps those of both its losses by themselves."""
        if not self.settings.inner_projection:
            return super().backward(loss, *args, **kwargs)
        first = list(bare(self.network).first.parameters())
        main, inner = self.loss.total(self.latest_parts), self._inner(self.latest_parts)
        self.latest_parts = {}  # else they would hold the graph through the next step
        self.conflict = add_projected(first, main, inner)

    def validation_step(self, batch: tuple[torch.Tensor, ...], _: int) -> torch.Tensor:
        """Keep the scores of one whole recording, and return its estimates."""
        outputs = self._outputs(*batch[:2])
        scores, parts = self._scores(outputs, batch)
        for name, value in (scores | _named(DEV_LOSS, parts)).items():
            self.dev[name].append(value.float())
        return outputs.estimates

    def on_validation_epoch_end(self) -> None:
        """Log the means over dev, of all devices together, which may have unequal numbers."""
        sums = torch.stack([torch.stack(values).sum() for values in self.dev.values()])
        count = torch.tensor([len(self.dev[DEV_SCORE])], device=sums.device, dtype=sums.dtype)
        *totals, number = self.trainer.strategy.reduce(torch.cat([sums, count]), reduce_op="sum")
        means = dict(zip(self.dev, (total / number for total in totals), strict=True))
        self.dev.clear()
        main = {name: means.pop(name) for name in (DEV_LOSS, DEV_SCORE)}
        self.log_dict(main, prog_bar=True)
        self.log_dict(means)

    def scores(self, recordings: Recordings) -> dict[str, float]:
        """The means that validation logs, over all of dev in this process."""
        rows = list[dict[str, float]]()
        self.eval()
        for index in range(len(recordings)):
            batch = tuple(signal[None].to(self.device) for signal in recordings[index])
            with torch.inference_mode():
                values, _ = self._scores(self._outputs(*batch[:2]), batch)
            rows.append({name: float(value) for name, value in values.items()})
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _scores(
        self, outputs: Outputs, batch: tuple[torch.Tensor, ...]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Loss and SI-SDR improvement over the noisy mixture, and the terms of the loss."""
        inputs, targets, noisy = batch
        before = self.loss.neg_si_sdr(noisy[:, None].expand_as(targets), targets)
        after = self.loss.neg_si_sdr(outputs.estimates, targets)
        parts = self._parts(outputs, inputs, targets)
        return {DEV_LOSS: self._total(parts), DEV_SCORE: (before - after).mean()}, parts

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; the callback `Plateau` lowers its rate."""
        optimizer = OPTIMIZERS[str(self.settings.optimizer)]
        return optimizer(self.network.parameters(), self.settings.learning_rate)

    def _parts(
        self, outputs: Outputs, inputs: torch.Tensor, targets: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The terms of the loss, the noise among the signals where the network returns it."""
        noise = outputs.noise
        pair = None if noise is None else (noise, inputs - targets.sum(1))
        parts = self.loss.parts(outputs.estimates, targets, pair, inputs)
        if self.settings.inner_weight:
            parts[INNER] = self._inner_loss(outputs, targets.sum(1))
        return parts

    def _inner_loss(self, outputs: Outputs, clean: torch.Tensor) -> torch.Tensor:
        """Negative SNR of the signal inside of a chain, which fixes its scale.

        Raises:
            PipelineError: the network is no chain.
        """
        if outputs.inner is None:
            raise PipelineError("inner_weight: only a chain has an inner signal; leave it out")
        return neg_snr(outputs.inner[:, 0].float(), clean).mean()

    def _total(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        total = self.loss.total(parts)
        return total + self._inner(parts) if INNER in parts else total

    def _inner(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        return float(self.settings.inner_weight or 0) * parts[INNER]

    def _outputs(self, inputs: torch.Tensor, targets: torch.Tensor) -> Outputs:
        """Outputs for `[batch, time]`, estimates `[batch, sources, time]` in fp32.

        Raises:
            PipelineError: the network, an extension's perhaps, returns another shape.
        """
        outputs = passed(self.network, Inputs(inputs))
        estimates = outputs.estimates.float()
        if estimates.shape != targets.shape:
            raise PipelineError(
                f"the network returns {list(estimates.shape)} for mixtures {list(inputs.shape)};"
                f" mend it to return [batch, sources, time], which is {list(targets.shape)} here"
            )
        return outputs._replace(estimates=estimates)

    def _denoised(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output of the front for `[batch, time]`, in fp32 as in the stage of inference."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            for front in self.front:
                inputs = passed(front, Inputs(inputs)).estimates[:, 0]
        return inputs


def _named(loss: str, parts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The terms of a loss as logged values; none for a loss of one term, which it equals."""
    return {f"{loss}_{name}": value for name, value in parts.items()} if len(parts) > 1 else {}


class TrainingData(pl.LightningDataModule):
    """Segments of train, rendered or fresh, that a resumed training goes on with; whole dev.

    Where several devices train, each has its part of every batch, and of dev.
    """

    def __init__(
        self, train: Examples | Fresh, dev: Examples, settings: Training, seed: int, workers: int
    ) -> None:
        super().__init__()
        self.segments: Segments | FreshMixtures
        self.sampler: type[EpochSampler]
        if isinstance(train, Fresh):
            self.segments, self.sampler = FreshMixtures(train, settings, seed), FreshSampler
        else:
            self.segments, self.sampler = Segments(train, settings.segment_seconds), EpochSampler
        self.dev, self.settings = Recordings(dev), settings
        self.seed, self.workers = seed, workers

    def train_dataloader(self) -> DataLoader:
        """Batches from the step that the trainer is at, which is 0 unless it resumes."""
        assert self.trainer is not None  # only a trainer asks
        size, batch, ranks = len(self.segments), self.settings.batch_size, self.trainer.world_size
        epoch, step = divmod(self.trainer.global_step, -(-size // batch))
        share = Share(self.trainer.global_rank, ranks)
        return self._loader(
            self.segments,
            batch_size=batch // ranks,
            sampler=self.sampler(size, self.seed, epoch, step * batch, share),
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader:
        """Recordings one at a time, since their lengths differ."""
        assert self.trainer is not None
        share = range(self.trainer.global_rank, len(self.dev), self.trainer.world_size)
        return self._loader(self.dev, batch_size=1, sampler=share)

    def _loader(self, data: Dataset, **options: Any) -> DataLoader:
        return DataLoader(data, num_workers=self.workers, worker_init_fn=_leave_signals, **options)


def _leave_signals(worker: int) -> None:
    """Signals go to all processes of a job; a worker ends when its training does."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
