"""Run a network over a recording of any length: whole when short, overlap-add when long."""

from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from pipeline.audio import Samples


@torch.inference_mode()
def estimate(
    network: nn.Module, mixture: Samples, device: torch.device, longest: int, overlap: int
) -> Samples:
    """Estimate the sources of a mixture.

    Args:
        network: `[batch, time]` to `[batch, sources, time]`, on `device`.
        mixture: `[time]`.
        device: where the network is.
        longest: samples that are fed whole; a longer mixture goes in pieces of this length.
        overlap: samples that neighbouring pieces share; they are cross-faded, and the
            sources of a piece put in the order of the piece before by correlation there.

    Returns:
        `[sources, time]`, as long as the mixture.
    """
    if len(mixture) <= longest:
        return _forward(network, mixture, device)
    starts = [*range(0, len(mixture) - longest, longest - overlap), len(mixture) - longest]
    result = _forward(network, mixture[:longest], device)
    output = np.zeros((len(result), len(mixture)), np.float32)
    output[:, :longest] = result
    for before, start in pairwise(starts):
        piece = _forward(network, mixture[start : start + longest], device)
        join(output[:, start : start + longest], piece, before + longest - start)
    return output


def join(output: Samples, piece: Samples, shared: int) -> None:
    """Write `piece` `[sources, time]` over `output`, whose first `shared` samples are filled."""
    piece = piece[same_order(output[:, :shared], piece[:, :shared])]
    ramp = np.linspace(0, 1, shared, dtype=np.float32)
    output[:, :shared] = output[:, :shared] * (1 - ramp) + piece[:, :shared] * ramp
    output[:, shared:] = piece[:, shared:]


def same_order(reference: Samples, piece: Samples) -> np.ndarray:
    """Order of the sources of `piece` that correlates best with `reference`, `[sources]`."""
    similarity = np.nan_to_num(reference @ piece.T)  # NaN is for the caller to notice
    return linear_sum_assignment(-similarity)[1]


def _forward(network: nn.Module, mixture: Samples, device: torch.device) -> Samples:
    estimates = network(torch.from_numpy(mixture)[None].to(device))[0]
    return estimates.float().cpu().numpy()
