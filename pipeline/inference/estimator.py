"""A trained network on its device: padded batches in, estimates and the device's time out."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.audio import Samples
from pipeline.base.errors import PipelineError
from pipeline.config.models import Precision
from pipeline.models import entry_of
from pipeline.models.blended import Blended
from pipeline.models.card import read_card
from pipeline.models.denoised_after import DenoisedAfter
from pipeline.models.devices import describe, precision_on
from pipeline.models.signals import Inputs, passed
from pipeline.models.weights import load_network

Finish = Callable[[], tuple[Samples, float]]


def moved(batch: Inputs, move: Callable[[Tensor], Tensor]) -> Inputs:
    """The tensors of a batch through `move`."""
    given = {name: value for name, value in batch._asdict().items() if value is not None}
    return Inputs(**{name: move(tensor) for name, tensor in given.items()})


class Estimator:
    """A network on its device.

    Args:
        network: maps `[batch, time]` to `[batch, sources, time]`.
        device: that it is moved to.
        precision: `fp32` or `bf16`, the second where the device has instructions for it.
        weights: its file, or files, to name in errors.
        exact_padding: whether a batch may hold recordings of several lengths.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: Precision,
        weights: Path | str = "network",
        exact_padding: bool = False,
    ) -> None:
        self.weights, self.exact_padding = weights, exact_padding
        self.network = network.to(device).requires_grad_(False)  # frozen, which saves time
        self.device, self.precision = device, precision_on(device, precision)

    @torch.inference_mode()
    def start(self, batch: Inputs) -> Finish:
        """Begin on a batch; a GPU goes on by itself.

        Returns:
            A function that waits for the device, and returns the estimates
            `[batch, sources, time]` and the seconds for which the device was at work, copies of
            the samples to it and from it included. Any thread may call it.

        Raises:
            PipelineError: the batch does not fit in the GPU's memory.
        """
        began = self._mark()
        inputs = moved(batch, lambda tensor: tensor.to(self.device, non_blocking=True))
        lower = self.precision == "bf16"
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
                estimates = passed(self.network, inputs).estimates.float()
        except torch.OutOfMemoryError as error:
            raise PipelineError(
                f"inference.batch_size: {len(batch.mixture)} of {batch.mixture.shape[1]} samples"
                " do not fit in the GPU's memory; lower it, or inference.max_seconds"
            ) from error
        found = estimates.to("cpu", non_blocking=True)
        ended = self._mark()

        def finish() -> tuple[Samples, float]:
            seconds = self._between(began, ended)  # waits; the samples are there from then on
            return found.numpy(), seconds

        return finish

    def _mark(self) -> Any:
        """A point in the device's queue."""
        if self.device.type != "cuda":
            return time.perf_counter()
        mark = torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark

    def _between(self, began: Any, ended: Any) -> float:
        """Seconds between two points of the queue, once the later one is reached."""
        if self.device.type != "cuda":
            return ended - began
        ended.synchronize()
        return began.elapsed_time(ended) / 1000


def load_estimator(
    weights: Path,
    num_sources: int,
    sample_rate: int,
    device: torch.device,
    precision: Precision,
    dry: float = 0.0,
    denoiser: Path | None = None,
) -> Estimator:
    """The network of a weights file on a device; errors are those of `load_network`.

    With the weights of a `denoiser` it is followed by that. The share `dry` of its input is added
    to what a denoiser returns: this one, or else the network.
    """
    network = load_network(weights, num_sources, sample_rate)
    if denoiser:
        behind = _blended(load_network(denoiser, 1, sample_rate), dry)
        both = f"{weights}, with {denoiser} behind it"
        return _opened(DenoisedAfter(network, behind), device, precision, both)
    entry = entry_of(read_card(weights).model)
    # Resampling knows no lengths: behind the end of a shorter recording it finds zeros.
    exact = entry.exact_padding and entry.rate_for(sample_rate) == sample_rate
    return _opened(_blended(network, dry), device, precision, weights, exact)


def _blended(denoiser: nn.Module, share: float) -> nn.Module:
    return Blended(denoiser, share) if share else denoiser


def _opened(
    network: nn.Module,
    device: torch.device,
    precision: Precision,
    weights: Path | str,
    exact_padding: bool = False,
) -> Estimator:
    estimator = Estimator(network, device, precision, weights, exact_padding)
    logging.info("running %s on %s in %s", weights, describe(device), estimator.precision)
    return estimator
