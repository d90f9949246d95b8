"""Find the mixtures that are the input of a network: clean, noisy, or denoised."""

from pathlib import Path

import pandas as pd

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest


def condition_paths(table: pd.DataFrame, condition: str, denoised: Path | None) -> pd.Series:
    """Return the path of each row's mixture in a condition: clean, noisy or denoised.

    Raises:
        PipelineError: the denoised set lacks a mixture.
    """
    if denoised is None:
        return table[{"clean": "mix_clean_path", "noisy": "mix_both_path"}[condition]]
    estimates = read_manifest(denoised).set_index("mixture_id")["mix_clean_path"]
    missing = table.loc[~table["mixture_id"].isin(estimates.index), "mixture_id"]
    if len(missing):
        raise PipelineError(
            f"{denoised}: lacks mixture {missing.iloc[0]} and {len(missing) - 1} more;"
            " delete it and run again"
        )
    return table["mixture_id"].map(estimates)
