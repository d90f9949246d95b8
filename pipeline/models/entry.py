"""An entry of the registry: everything that is known of a network before it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Section
from pipeline.models.package import Package
from pipeline.tasks import DENOISE, SEPARATE

if TYPE_CHECKING:
    from torch import nn

    from pipeline.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Foreign:
    """Weights of a network that other code wrote, in its own layout.

    Attributes:
        read: from the path of a file to its tensors, named as in our network, and its arguments.
        licence: under which they are published: a line of the log and of the card of a training
            that starts from them.
    """

    read: Callable[[str], "Checkpoint"]
    licence: str


@dataclass(frozen=True)
class Entry:
    """A network of the registry.

    Attributes:
        arguments: section of the configuration that types its arguments.
        build: from arguments, number of sources and sample rate in Hz to a module that maps
            `[batch, time]` to `[batch, sources, time]` for any number of samples.
        look_ahead: from arguments and sample rate to the seconds of audio after a sample on which
            its estimate depends; None for the whole recording.
        tasks: names of the tasks that it can be trained for.
        sample_rates: at which it runs, in Hz, None for any. At other rates the audio is resampled
            before it and after it.
        exact_padding: whether the module takes `lengths` `[batch]` of recordings that are padded
            with zeros, and then gives for each what it gives alone. If not, batches hold
            recordings of one length.
        trained: whether it is trained here; a published network is built with its weights.
        package: the installed package whose files a published network reads, if it has one.
        stream: from a module to its form for a signal that is still coming in, if it has one.
        file: from arguments to the weights file of a trained network that is taken as it is.
        foreign: how `init_from` reads weights of other code; None: as checkpoints of asteroid.
    """

    arguments: type[Section]
    build: Callable[[Any, int, int], "nn.Module"]
    look_ahead: Callable[[Any, int], float | None]
    tasks: tuple[str, ...] = (DENOISE.name, SEPARATE.name)
    sample_rates: tuple[int, ...] | None = None
    exact_padding: bool = False
    trained: bool = True
    package: Package | None = None
    stream: Callable[[Any], Any] | None = None
    file: Callable[[Any], Path] | None = None
    foreign: Foreign | None = None

    def rate_for(self, sample_rate: int) -> int:
        """The rate it runs at for audio of some rate: the same, the next above, or its highest."""
        if self.sample_rates is None or sample_rate in self.sample_rates:
            return sample_rate
        above = [rate for rate in self.sample_rates if rate > sample_rate]
        return min(above, default=max(self.sample_rates))
