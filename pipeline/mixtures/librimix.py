"""Write LibriMix's own metadata for a rendered set, so that its loaders can read it."""

from pathlib import Path

import pandas as pd

from pipeline.files import read_manifest, replacing
from pipeline.mixtures.render import source_names


def write_metadata(mixtures: Path, folder: Path, split: str) -> None:
    """Write `mixture_<split>_mix_both.csv` and `…_mix_clean.csv` with absolute paths.

    Columns are LibriMix's: mixture_ID, mixture_path, source_<k>_path, noise_path, length.
    """
    table = read_manifest(mixtures)
    sources = {f"source_{n[1:]}_path": table[f"{n}_path"] for n in source_names(table)}
    for kind in ("mix_both", "mix_clean"):
        noise = {"noise_path": table["noise_path"]} if kind == "mix_both" else {}
        rows = pd.DataFrame(
            {"mixture_ID": table["mixture_id"], "mixture_path": table[f"{kind}_path"]}
            | sources
            | noise
            | {"length": table["length"]}
        )
        with replacing(folder / f"mixture_{split}_{kind}.csv") as temporary:
            rows.to_csv(temporary, index=False)
