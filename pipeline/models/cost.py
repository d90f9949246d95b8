"""What a pass through a network costs."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models import build, entry_of
from pipeline.models.signals import Inputs, passed

SECONDS = 4.0
"""Length of the recording that is counted: about that of an utterance."""


def multiply_adds(
    model: str, arguments: dict[str, Any], num_sources: int, sample_rate: int
) -> float:
    """Multiply-adds of a registered network for a second of audio.

    Those of convolutions and of products of matrices, recurrent layers and attention among them;
    norms and activations are not counted, as is usual. The network runs on tensors without
    content, which takes no time whatever its size, and on a CPU where an operation has no such
    form. torch counts a multiply-add as two operations. Those that torch does not do itself are in
    the network's `Package`.
    """
    package = entry_of(model).package
    elsewhere = package.multiply_adds if package else 0.0
    try:
        return elsewhere + _counted("meta", model, arguments, num_sources, sample_rate)
    except Exception:  # of whatever the network does that needs content
        return elsewhere + _counted("cpu", model, arguments, num_sources, sample_rate)


def _counted(
    device: str, model: str, arguments: dict[str, Any], num_sources: int, sample_rate: int
) -> float:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        network = build(model, arguments, num_sources, sample_rate).eval()
        mixture = torch.zeros(1, round(SECONDS * sample_rate))
    # Without oneDNN, in which a recurrent layer is one operation that nobody counts.
    without_onednn = torch.backends.mkldnn.flags(enabled=False)
    counter = FlopCounterMode(display=False)
    with without_onednn, torch.no_grad(), counter:
        passed(network, Inputs(mixture))
    return counter.get_total_flops() / 2 / SECONDS
