"""Networks that ship with the package, by name, and every other weights file of this project.

`sums.csv` has the SHA-256 of each file that ships, `attribution.txt` the recordings that these
networks have been trained on, with their authors and licences. The facts of a network, its figures
among them, are in its card.
"""

import csv
from functools import cache
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.base.provenance import sha256
from pipeline.config.paths import placed

FOLDER = Path(__file__).parent
SUMS = "sums.csv"
FILE = "model.safetensors"
"""Name of the weights file in the folder of a model."""


def shipped(folder: Path = FOLDER) -> dict[str, str]:
    """The SHA-256 of each network that ships, by name."""
    with (folder / SUMS).open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["sha256"] for row in csv.DictReader(file)}


def locate(source: Path | str) -> Path:
    """The weights file of a network.

    Args:
        source: the name of a network that ships, the folder of a model of a run
            (`results/models/<task>/<name>/<condition>/<run>`), or a weights file.

    Raises:
        PipelineError: there is no such network, or the file of one that ships is another one.
    """
    if str(source) in shipped():
        return _checked(str(source))
    path = Path(source).expanduser()
    if path.is_dir():
        path /= FILE
    if not path.is_file():
        raise PipelineError(
            f"{placed(source)}: no such network; give {', '.join(shipped())}, the folder of a"
            " trained model, or a weights file"
        )
    return path


@cache
def _checked(name: str) -> Path:
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file() or sha256(path) != shipped()[name]:
        raise PipelineError(
            f"{path}: is not the file that this version ships; install the package again"
        )
    return path
