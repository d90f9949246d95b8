"""What goes into a network and what comes out of it."""

from typing import NamedTuple

from torch import Tensor, nn


class Inputs(NamedTuple):
    """Inputs of a network, zeros behind what is shorter than the longest of a batch.

    Attributes:
        mixture: `[batch, time]`.
        lengths: samples of each mixture, `[batch]`; None where none is padded.
        reference: a recording of the speaker to extract, `[batch, time]`, if the task has one.
        reference_lengths: samples of each, `[batch]`.
    """

    mixture: Tensor
    lengths: Tensor | None = None
    reference: Tensor | None = None
    reference_lengths: Tensor | None = None


class Outputs(NamedTuple):
    """Outputs of a network.

    Attributes:
        estimates: `[batch, sources, time]`.
        speaker_logits: scores of the training speakers, `[batch, speakers]`, for a loss.
        inner: signal between the two networks of a chain, `[batch, sources, time]`, for a loss.
        noise: the mixture without all estimates, `[batch, time]`, of a network that returns it.
    """

    estimates: Tensor
    speaker_logits: Tensor | None = None
    inner: Tensor | None = None
    noise: Tensor | None = None


def passed(network: nn.Module, inputs: Inputs) -> Outputs:
    """Run a network on the inputs that are there; one without further outputs returns a tensor."""
    given = {name: value for name, value in inputs._asdict().items() if value is not None}
    found = network(given.pop("mixture"), **given)
    return found if isinstance(found, Outputs) else Outputs(found)
