"""A trained network on its device: padded batches in, estimates and the device's time out."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.audio import Samples
from pipeline.base.errors import PipelineError
from pipeline.models.devices import describe, supports_bf16
from pipeline.models.weights import load_network

Finish = Callable[[], tuple[Samples, float]]


class Batch(NamedTuple):
    """Mixtures `[batch, time]`, and their lengths `[batch]` if shorter ones have zeros behind."""

    mixtures: Tensor
    lengths: Tensor | None

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        """Both tensors through `move`."""
        return Batch(move(self.mixtures), None if self.lengths is None else move(self.lengths))


class Estimator:
    """A network that maps `[batch, time]` and lengths to `[batch, sources, time]`."""

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        self.network = network.to(device).requires_grad_(False)  # frozen, which saves time
        self.device, self.precision = device, precision
        if precision == "bf16" and not supports_bf16(device):
            logging.info("%s has no bf16 instructions: running in fp32", describe(device))
            self.precision = "fp32"

    @torch.inference_mode()
    def start(self, batch: Batch) -> Finish:
        """Begin on a batch; a GPU goes on by itself.

        Returns:
            A function that waits for the device, and returns the estimates
            `[batch, sources, time]` and the seconds for which the device was at work, copies of
            the samples to it and from it included. Any thread may call it.

        Raises:
            PipelineError: the batch does not fit in the GPU's memory.
        """
        began = self._mark()
        mixtures, lengths = batch.moved(lambda tensor: tensor.to(self.device, non_blocking=True))
        lower = self.precision == "bf16"
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
                estimates = self.network(mixtures, lengths).float()
        except torch.OutOfMemoryError as error:
            raise PipelineError(
                f"inference.batch_size: {len(batch.mixtures)} of {batch.mixtures.shape[1]} samples"
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
    weights: Path, num_sources: int, sample_rate: int, device: torch.device, precision: str
) -> Estimator:
    """The network of a weights file on a device; errors are those of `load_network`."""
    network = load_network(weights, num_sources, sample_rate)
    estimator = Estimator(network, device, precision)
    logging.info("running %s on %s in %s", weights, describe(device), estimator.precision)
    return estimator
