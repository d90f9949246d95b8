"""A denoiser and a separator as one network, which are trained together.

The configuration refers to both (`denoisers.conv_tasnet`, `separators.direct/noisy`). What decides
the weights, and what a weights file holds, are the networks that these are (`starts.parts_of`).
"""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.base.errors import PipelineError
from pipeline.config import Section
from pipeline.models.entry import Entry
from pipeline.tasks import SEPARATE

if TYPE_CHECKING:
    from torch import nn

CHAIN = "chain"
PARTS = "parts"
"""As `init_from`: the weights of both networks, as the run has trained them."""


class Part(Section):
    """A network of the chain."""

    model: str
    arguments: dict[str, Any] = Field(default={})


class Arguments(Section):
    """The denoiser and the separator: references, or what they stand for."""

    first: str | Part
    second: str | Part

    @property
    def parts(self) -> tuple[Part, Part]:
        """Both networks.

        Raises:
            PipelineError: they are references, which only a configuration resolves.
        """
        if isinstance(self.first, str) or isinstance(self.second, str):
            raise PipelineError(
                f"{CHAIN}: first and second refer to models of a run; give their model and"
                " arguments here"
            )
        return self.first, self.second


def build(arguments: Arguments, num_sources: int, sample_rate: int) -> "nn.Module":
    """Build the network: `[batch, time]` to `[batch, sources, time]`."""
    from pipeline.models import build as build_part
    from pipeline.models.chain.network import Chain

    first, second = arguments.parts
    return Chain(
        build_part(first.model, first.arguments, 1, sample_rate),
        build_part(second.model, second.arguments, num_sources, sample_rate),
    )


def look_ahead(arguments: Arguments, sample_rate: int) -> float | None:
    """That of both together; None where one of them has the whole recording."""
    from pipeline.models import look_ahead as of_part

    each = [of_part(part.model, part.arguments, sample_rate) for part in arguments.parts]
    known = [seconds for seconds in each if seconds is not None]
    return sum(known) if len(known) == len(each) else None


ENTRY = Entry(Arguments, build, look_ahead, tasks=(SEPARATE.name,))
