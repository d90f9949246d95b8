"""What a pass through a network costs."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models import build
from pipeline.models.signals import Inputs, passed

SECONDS = 4.0
"""Length of the recording that is counted: about that of an utterance."""


def multiply_adds(
    model: str, arguments: dict[str, Any], num_sources: int, sample_rate: int
) -> float:
    """Multiply-adds of a registered network for a second of audio.

    Those of convolutions and of products of matrices, recurrent layers and attention among them;
    norms and activations are not counted, as is usual. The network runs on tensors without
    content, so that this takes no time whatever its size, and recurrent layers are counted, which
    torch's counter does not see where they run as one kernel. torch counts a multiply-add as two
    operations.
    """
    with torch.device("meta"):
        network = build(model, arguments, num_sources, sample_rate).eval()
        mixture = torch.empty(1, round(SECONDS * sample_rate))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        passed(network, Inputs(mixture))
    return counter.get_total_flops() / 2 / SECONDS
