"""The facts of a model in its weights file, readable without torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from pydantic import TypeAdapter, ValidationError

from pipeline.base.errors import PipelineError, in_short

FORMAT = "denoise-then-separate 1"


@dataclass(frozen=True)
class Card:
    """The facts of a model that its weights file holds.

    With `noise_output` the network has an output more than sources, for the noise. `figures` are
    those of its tests, of a network that ships (`pipeline.report.shipping`).
    """

    model: str
    arguments: dict[str, Any]
    num_sources: int
    sample_rate: int  # Hz
    training: dict[str, Any] = field(default_factory=dict)
    noise_output: bool = False
    figures: list[dict[str, Any]] = field(default_factory=list)


MAKE_AGAIN = "delete it and run again"
# For weights that were already faulty at the end of a training, which would give the same again.
TRAIN_AFRESH = "delete it and state/ beside it, and run again"


def read_card(path: Path | str, cure: str = MAKE_AGAIN) -> Card:
    """Read the card of a weights file.

    Args:
        path: the weights file.
        cure: the advice for a damaged file.

    Raises:
        PipelineError: the file is missing, damaged, or not one of ours.
    """
    try:
        with safetensors.safe_open(str(path), "numpy") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError as error:
        raise PipelineError(
            f"{path}: no such weights file; check the path, or run the same command again"
        ) from error
    except (safetensors.SafetensorError, OSError) as error:
        raise PipelineError(f"{path}: damaged weights ({in_short(error)}); {cure}") from error
    if metadata.get("format") != FORMAT:
        raise PipelineError(f"{path}: is not a weights file of this project; {cure}")
    try:
        return TypeAdapter(Card).validate_json(metadata.get("card", ""))
    except ValidationError as error:
        raise PipelineError(f"{path}: damaged weights (its card cannot be read); {cure}") from error
