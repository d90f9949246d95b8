"""Which models a run has when files and `--config` override `config.yaml`."""

from collections.abc import Mapping
from typing import Any

from pipeline.tasks import TASKS


def choose_models(
    config: dict[str, Any], below: Mapping[str, Any], above: Mapping[str, Any]
) -> list[str]:
    """Remove models from `config`, in place, that the user did not request.

    Models set to null are removed, and all of a section that is null. If `above` names a model that
    `below` lacks, its list is complete: all other models of `below` are removed. If it names only
    models of `below`, it changes these.

    Args:
        config: both layers, joined key by key.
        below: the content of `config.yaml`.
        above: the content of the layers over it.

    Returns:
        A line for each model that was removed because others are named.
    """
    lines = []
    for section in (task.section for task in TASKS.values()):
        if section in above and _is_null(above[section]):
            config[section] = {}
        joined, old, new = (_models(values, section) for values in (config, below, above))
        named = {name for name, value in new.items() if not _is_null(value)}
        left_out = set(old) - set(new) if named - set(old) else set()
        lines += [
            f"config: {section}.{name} of config.yaml is left out, since other {section} are named;"
            f" to keep it, name it too: {section}: {{{name}: {{}}}}"
            for name in joined
            if name in left_out
        ]
        if joined:
            config[section] = {
                name: value
                for name, value in joined.items()
                if name not in left_out and not _is_null(value)
            }
    return lines


def _models(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    models = values.get(section)
    return models if isinstance(models, Mapping) else {}


def _is_null(value: Any) -> bool:
    """Whether a value is YAML's null, which the option `--config` passes on as text."""
    return value is None or value in ("null", "~")
