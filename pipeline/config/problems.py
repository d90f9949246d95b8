"""Describe the errors of a configuration in words: key, problem and allowed values."""

from collections.abc import Iterator
from textwrap import shorten
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

ONE, SEVERAL = "[one]", "[several]"
"""How pydantic tells in the place of an error which type of a value was tried."""
NO_KEYS = ("[key]", ONE, SEVERAL)


def describe_problems(
    error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> Iterator[str]:
    """Yield one phrase for each problem: its key, the fault, the allowed values.

    Args:
        error: the error that `model` raised.
        model: the section that was read.
        prefix: the key of the section, with a trailing dot.
    """
    for problem in error.errors():
        parts = [str(part) or "''" for part in problem["loc"] if part not in NO_KEYS]
        key = (prefix + ".".join(parts)).rstrip(".")
        given = shown(problem["input"])
        if problem["type"] == "extra_forbidden":
            yield f"{key}: unknown key; {_in_its_section(parts[-1]) or _allowed(model, parts)}"
        elif problem["type"] == "missing":
            yield f"{key}: missing; add it to the configuration"
        elif problem["type"] in ("dict_type", "model_type"):
            yield f"{key or 'configuration'}: must hold keys and their values, not {given}"
        elif problem["type"] == "list_type":
            yield f"{key}: must be a list, such as [a, b], not {given}"
        elif problem["type"] == "too_short":
            yield f"{key}: is empty; give at least one"
        elif problem["type"] == "string_pattern_mismatch":
            yield f"{key}: a name holds only a-z, 0-9 and _, 64 of them at most"
        elif problem["type"] == "value_error":
            yield (f"{key}: " if key else "") + str(problem["ctx"]["error"])
        else:
            yield f"{key}: {problem['msg']}, not {given}"


def shown(value: Any) -> str:
    """Return a value as text for a message, shortened."""
    try:
        return shorten(repr(value), 60)
    except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
        return f"{type(value).__name__} too long to show"


def _in_its_section(key: str) -> str | None:
    """How to write a dotted key, as other tools use them."""
    section, *below = key.split(".")
    if not below or not all([section, *below]):
        return None
    return f"write {section}: {{{': {'.join(below)}: …{'}' * len(below)}"


def _allowed(model: type[BaseModel], parts: list[str]) -> str:
    """The keys allowed beside the last of `parts`, walking down from `model`."""
    for part in parts[:-1]:
        if part in model.model_fields:  # else a name under denoisers: or separators:
            model = _section_in(model.model_fields[part].annotation)
    return f"allowed here: {', '.join(sorted(model.model_fields))}"


def _section_in(annotation: Any) -> type[BaseModel]:
    """The section type behind `X`, `X | None` or `dict[str, X]`."""
    options = (annotation, *get_args(annotation))
    return next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
