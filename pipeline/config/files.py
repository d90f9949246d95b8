"""Configuration files as text: their encoding, and keys that appear twice."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.errors import PipelineError

MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, which may appear several times


def check_files(files: Iterable[Path], arguments: Iterable[str] = ()) -> None:
    """Refuse keys that appear twice: YAML and JSON readers silently use the last one.

    Args:
        files: in YAML or JSON; missing files and files of other kinds are left to Snakemake.
        arguments: `key=value` of the option `--config`.

    Raises:
        PipelineError: a file is not UTF-8, or a key appears twice; names the file and the lines.
    """
    for path in filter(Path.is_file, files):  # a pipe has been read already, and is empty now
        for key, first, second in _repeated(_text(path)):
            raise PipelineError(
                f"config: {path}: {key} stands twice, in lines {first} and {second}; put what"
                " belongs to it under one of them"
            )
    for argument in arguments:
        option, _, value = argument.partition("=")
        for key, *_ in _repeated(value):
            raise PipelineError(f"config: --config {option}: {key} stands twice; name it once")


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a configuration file; empty if it is missing or not a mapping.

    Raises:
        PipelineError: the file is not UTF-8.
    """
    values = None
    if path.is_file():
        with suppress(yaml.YAMLError, ValueError, RecursionError):  # Snakemake reports these
            values = yaml.safe_load(_text(path))
    return values if isinstance(values, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PipelineError(f"config: {path}: is not UTF-8 text; save it as UTF-8") from error


def _repeated(text: str) -> list[tuple[str, int, int]]:
    """Keys that appear twice in one mapping, dotted, with both line numbers, from 1."""
    with suppress(ValueError, RecursionError):
        json.loads(text)
        text = text.replace("\t", " ")  # the only blank that JSON allows and YAML does not
    with suppress(yaml.YAMLError, RecursionError):
        if root := yaml.compose(text, Loader=yaml.SafeLoader):
            return sorted(_walk(root), key=lambda found: found[2])
    return []


def _walk(root: yaml.Node) -> Iterator[tuple[str, int, int]]:
    waiting, met = [(root, "")], set[int]()
    while waiting:
        node, above = waiting.pop()
        if id(node) in met:  # an alias refers to it
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(item, above) for item in node.value]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                name, line = f"{above}{key.value}", key.start_mark.line + 1
                waiting.append((value, f"{name}."))
                if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                    continue
                if (key.tag, key.value) in lines:
                    yield name, lines[key.tag, key.value], line
                lines[key.tag, key.value] = line
