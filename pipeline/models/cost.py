"""What a pass through a network costs."""

from typing import Any

import torch
from torch import Tensor, nn
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
    form. torch counts a multiply-add as two operations. Recurrent layers are counted at once, and
    not step by step, which takes minutes. Those that torch does not do itself are in the network's
    `Package`.
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
        recurrent = [AtOnce(layer) for layer in network.modules() if isinstance(layer, RNNS)]
    # Without oneDNN, in which a recurrent layer is one operation that nobody counts.
    without_onednn = torch.backends.mkldnn.flags(enabled=False)
    counter = FlopCounterMode(display=False)
    with without_onednn, torch.no_grad(), counter:
        passed(network, Inputs(mixture))
    counted = counter.get_total_flops() / 2 + sum(layer.counted for layer in recurrent)
    return counted / SECONDS


RNNS = (nn.RNN, nn.GRU, nn.LSTM)


class AtOnce:
    """Counts the multiply-adds of a recurrent layer, which then returns zeros.

    Each step of a recording is multiplied once by every matrix of the layer.
    """

    def __init__(self, layer: nn.RNNBase) -> None:
        self.layer, self.counted, self.forward = layer, 0.0, layer.forward
        layer.forward = self  # type: ignore[assignment]

    def __call__(self, frames: Any, state: Any = None) -> tuple[Any, Any]:
        """Return zeros of the shapes that the layer returns for `[…, …, features]`."""
        if not isinstance(frames, Tensor):  # packed: step by step
            return self.forward(frames, state)
        layer, ways = self.layer, 1 + self.layer.bidirectional
        matrices = sum(weight.numel() for weight in layer.parameters() if weight.ndim == 2)
        self.counted += matrices * frames.numel() / frames.shape[-1]
        width = layer.proj_size or layer.hidden_size
        batch = frames.shape[:-1][1 - layer.batch_first :][: frames.ndim - 2]
        hidden = frames.new_zeros(layer.num_layers * ways, *batch, width)
        cell = frames.new_zeros(layer.num_layers * ways, *batch, layer.hidden_size)
        state = (hidden, cell) if isinstance(layer, nn.LSTM) else hidden
        return frames.new_zeros(*frames.shape[:-1], ways * width), state
