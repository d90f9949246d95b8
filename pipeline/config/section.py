"""What every section of the configuration is made from."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
)

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]


def _pair(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"must be two numbers, [low, high], not {value!r}")
    return value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"lower bound {pair[0]} is above upper bound {pair[1]}")
    return pair


def _distinct(values: list[Any]) -> list[Any]:
    double = next((v for v in values if values.count(v) > 1), None)
    if double is not None:
        raise ValueError(f"'{double}' stands twice; name it once")
    return values


Distinct = AfterValidator(_distinct)
Range = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_ordered)]
Speed = Annotated[float, Field(ge=0.1, lt=10)]
Speeds = Annotated[tuple[Speed, Speed], BeforeValidator(_pair), AfterValidator(_ordered)]


class Section(BaseModel):
    """Base of all sections: a key that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Counts(Section):
    """A number for each split."""

    train: PositiveInt
    dev: PositiveInt
    test: PositiveInt
