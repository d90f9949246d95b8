"""Whose models a run has, where files and `--config` are laid over `config.yaml`."""

from collections.abc import Mapping
from typing import Any

from pipeline.tasks import TASKS


def choose_models(
    config: dict[str, Any], below: Mapping[str, Any], above: Mapping[str, Any]
) -> list[str]:
    """Take out of `config`, in place, models that nobody asked for.

    Those set to null go. Where `above` names a model that `below` lacks, it names them all: the
    others of `below` go too. Where it names only models of `below`, it changes these.

    Args:
        config: both, joined key by key.
        below: what `config.yaml` holds.
        above: what is laid over it.

    Returns:
        A line on each that went because others are named.
    """
    lines = []
    for section in (task.section for task in TASKS.values()):
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
    """Whether it is YAML's null, which the option `--config` hands on as text."""
    return value is None or value in ("null", "~")
