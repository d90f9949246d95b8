"""Fetch the weights of a recogniser from the Hugging Face hub."""

from pathlib import Path

import pandas as pd

from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.models.package import sum_of
from pipeline.models.whisper import READ, check_folder, files_of

FETCHED = "files.csv"
"""The list of the files of a fetched model, by which receipts tell models apart."""


def fetch_model(name: str, folder: Path) -> None:
    """Fetch the weights of a model from the Hugging Face hub, and write the list of its files.

    Raises:
        PipelineError: they cannot be fetched, or are not those of a Whisper model.
    """
    from huggingface_hub import snapshot_download  # an extra of the project

    try:
        snapshot_download(name, allow_patterns=list(READ), local_dir=folder)
    except Exception as error:  # of any server
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PipelineError(
            f"{name}: cannot be fetched from the Hugging Face hub ({cause}); check the name and the"
            " connection, or give the folder of a model as evaluation.asr.model"
        ) from error
    check_folder(folder)
    table = [(name, path.stat().st_size, sum_of(path)) for name, path in files_of(folder)]
    write_manifest(folder / FETCHED, pd.DataFrame(table, columns=["file", "bytes", "sha256"]))
