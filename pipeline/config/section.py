"""The types from which every section of the configuration is built."""

from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from pipeline.config.problems import ONE, SEVERAL, shown

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]


def as_number(value: Any) -> Any:
    """A number that stands in a text, as the option `--config` gives it; other values as they are.

    >>> as_number("3"), as_number("1e-2"), as_number("15 ms")
    (3, 0.01, '15 ms')
    """
    if isinstance(value, str):
        for kind in (int, float):
            with suppress(ValueError):
                return kind(value)
    return value


def _pair(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"must be two numbers, [low, high], not {shown(value)}")
    return value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"lower bound {pair[0]} is above upper bound {pair[1]}; swap them")
    return pair


def _distinct(values: list[Any]) -> list[Any]:
    double = next((v for v in values if values.count(v) > 1), None)
    if double is not None:
        raise ValueError(f"'{double}' stands twice; name it once")
    return values


Distinct = AfterValidator(_distinct)
# Numbers are bounded, so that values that overflow or never end are refused at the start.
Amount = Annotated[int, Field(gt=0, le=100_000_000)]
Seconds = Annotated[float, Field(gt=0, le=1_000_000)]
PieceSeconds = Annotated[float, Field(ge=0.1, le=1_000_000)]  # of audio that a network is given
Decibels = Annotated[float, Field(ge=-150, le=150)]
Range = Annotated[tuple[Decibels, Decibels], BeforeValidator(_pair), AfterValidator(_ordered)]
Speed = Annotated[float, Field(ge=0.1, lt=10)]
ReverberationTime = Annotated[float, Field(ge=0.05, le=3)]  # s
ReverberationTimes = Annotated[
    tuple[ReverberationTime, ReverberationTime], BeforeValidator(_pair), AfterValidator(_ordered)
]
Speeds = Annotated[tuple[Speed, Speed], BeforeValidator(_pair), AfterValidator(_ordered)]
TurnSeconds = Annotated[float, Field(ge=0.1, le=3600)]
Turns = Annotated[tuple[TurnSeconds, TurnSeconds], BeforeValidator(_pair), AfterValidator(_ordered)]
Voices = Annotated[int, Field(ge=3, le=30)]
VoiceCounts = Annotated[tuple[Voices, Voices], BeforeValidator(_pair), AfterValidator(_ordered)]
Speakers = Annotated[int, Field(ge=1, le=100)]
SpeakerCounts = Annotated[
    Annotated[Speakers, Tag(ONE)]
    | Annotated[list[Speakers], Distinct, Field(min_length=1), Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, (list, tuple)) else ONE),
]
"""One number of speakers, or a list of different ones."""


class Section(BaseModel):
    """Base of all sections: a key that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Counts(Section):
    """A number for each split."""

    train: Amount
    dev: Amount
    test: Amount
