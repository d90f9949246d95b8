"""A function of one recording as a module for batches."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ByItem(nn.Module):
    """Passes the recordings of a batch one after another through a function, on the CPU.

    Maps `[batch, time]` to `[batch, 1, time]`. The function maps samples `[time]` to as many; it
    has no gradient. It must keep nothing of a recording, so that the next begins afresh.
    """

    def __init__(self, denoise: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.denoise = denoise

    @torch.compiler.disable
    def forward(self, mixture: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Denoise each recording up to its length `[batch]`; behind it stand zeros."""
        estimates = torch.zeros_like(mixture, dtype=torch.float32)
        ends = [mixture.shape[-1]] * len(mixture) if lengths is None else lengths.tolist()
        for row, samples, end in zip(estimates, mixture.detach().float().cpu(), ends, strict=True):
            row[:end] = self.denoise(samples[:end])
        return estimates[:, None]
