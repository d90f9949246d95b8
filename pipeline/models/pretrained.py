"""A trained network as it is: one that ships, one of another run, or a weights file."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.config import Section
from pipeline.models.entry import Entry
from pipeline.weights import locate

if TYPE_CHECKING:
    from torch import nn


class Arguments(Section):
    """The network: a name, the folder of a model, or a file (`pipeline.weights.locate`)."""

    weights: str = Field(min_length=1)


def file(arguments: Arguments) -> Path:
    """The weights file, which the run copies."""
    return locate(arguments.weights)


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network with its weights: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models.weights import load_network

    return load_network(file(arguments), num_sources, sample_rate)


def look_ahead(arguments: Arguments, sample_rate: int) -> float | None:
    """That of the network of the file."""
    from pipeline.models import look_ahead
    from pipeline.models.card import read_card

    card = read_card(file(arguments))
    return look_ahead(card.model, card.arguments, card.sample_rate)


ENTRY = Entry(Arguments, build, look_ahead, trained=False, file=file)
