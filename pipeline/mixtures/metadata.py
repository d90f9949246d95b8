"""Write LibriMix's own metadata for a rendered set, so that its tools can read and render it."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import SEVERAL, read_manifest, replacing
from pipeline.config import Split
from pipeline.corpora.apart import root_in
from pipeline.corpora.names import below_split, noise_name
from pipeline.corpora.roots import NOISE_FOLDERS
from pipeline.mixtures.librimix import RATE
from pipeline.mixtures.names import name_of_speed, source_names

KINDS = ("mix_both", "mix_clean", "mix_single")


def write_metadata(
    mixtures: Path, folder: Path, split: Split, speech: Path, noise: Path, start_rate: int
) -> None:
    """Write the files that LibriMix has for a set, each in a folder with no other files.

    `mixture_<split>_<kind>.csv` has the absolute paths of each kind of mixture that was rendered,
    `metrics/metrics_<split>_<kind>.csv` its SNRs, `plan/libri<n>mix_<split>.csv` all values needed
    to render the set again, and `…_info.csv` its speakers.

    Args:
        mixtures: the manifest of the rendered set.
        folder: the folder to write them to.
        split: the split of the set.
        speech, noise: manifests of the scans, to find the files from which the corpora were made.
        start_rate: Hz in which the set's `noise_start` counts: the workflow's rate for drawn sets,
            16000 for LibriMix's own.
    """
    table = read_manifest(mixtures)
    for kind in (k for k in KINDS if f"{k}_path" in table):
        _write(_mixture_table(table, kind), folder / f"mixture_{split}_{kind}.csv")
        _write(_metrics_table(table, kind), folder / f"metrics/metrics_{split}_{kind}.csv")
    kept = _without_joined(table, split)
    name = f"libri{len(source_names(table))}mix_{split}"
    _write(_plan_table(kept, split, speech, noise, start_rate), folder / f"plan/{name}.csv")
    _write(_speaker_table(kept), folder / f"plan/{name}_info.csv")
    _log_starts(kept, split)


def _mixture_table(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    columns = {"mixture_ID": table["mixture_id"], "mixture_path": table[f"{kind}_path"]}
    columns |= {f"source_{k}_path": table[f"s{k}_path"] for k in _sources(table, kind)}
    if kind != "mix_clean":
        columns["noise_path"] = table["noise_path"]
    return pd.DataFrame(columns | {"length": table["length"]})


def _metrics_table(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """SNR of each signal of a mixture against the other signals in it, in dB."""
    fact = {"mix_both": "snr", "mix_clean": "clean_snr", "mix_single": "single_snr"}[kind]
    columns = {"mixture_ID": table["mixture_id"]}
    columns |= {f"source_{k}_SNR": table[f"source_{k}_{fact}"] for k in _sources(table, kind)}
    if kind != "mix_clean":
        columns["noise_SNR"] = table[f"noise_{kind.removeprefix('mix_')}_snr"]
    return pd.DataFrame(columns)


def _plan_table(
    table: pd.DataFrame, split: Split, speech: Path, noise: Path, start_rate: int
) -> pd.DataFrame:
    """LibriMix's columns with paths relative to the corpora's roots, and two columns of our own.

    Where a file has its root in its name, the folder of the root stands in front of the path.
    `noise_start` counts samples of the recording at 16 kHz; `noise_speed` repeats what the
    noise's name says. The cells of a source that a mixture lacks are empty.
    """
    voices = read_manifest(speech).set_index("utterance")["path"]
    columns: dict[str, Any] = {"mixture_ID": table["mixture_id"]}
    for k in _sources(table):
        said = table[f"source_{k}_utterance"].dropna()
        paths = [
            str(Path(root_in(name, Path(path).stem), *Path(path).parts[-4:]))
            for name, path in voices.loc[said].items()
        ]
        columns[f"source_{k}_path"] = pd.Series(paths, said.index, dtype=object)
        columns[f"source_{k}_gain"] = table[f"source_{k}_gain"] * table["scale"]
    columns["noise_path"] = _noise_paths(table, split, noise)
    columns["noise_gain"] = table["noise_gain"] * table["scale"]
    columns["noise_start"] = (table["noise_start"] * (RATE // start_rate)).astype(int)
    return pd.DataFrame(columns | {"noise_speed": table["noise_speed"]})


def _noise_paths(table: pd.DataFrame, split: Split, noise: Path) -> list[str]:
    """Paths `tr/<name>.wav`, with the speed in the name as in LibriMix's augmentation.

    Folders below `tr` are kept.
    """
    scan = read_manifest(noise).query("split == @split")
    recordings = dict(zip(scan["noise"], scan["path"], strict=True))
    originals = [
        Path(recordings.get(row.noise, row.noise_source_path))
        for row in table[["noise", "noise_source_path"]].itertuples()
    ]
    below = [below_split(path)[1] for path in originals]
    whole = [
        Path(root_in(name, noise_name(path)), NOISE_FOLDERS[split], path)
        for name, path in zip(table["noise"], below, strict=True)
    ]
    return [
        str(path.with_name(f"{name_of_speed(path.stem, speed)}{path.suffix}"))
        for path, speed in zip(whole, table["noise_speed"], strict=True)
    ]


def _speaker_table(table: pd.DataFrame) -> pd.DataFrame:
    columns = {"mixture_ID": table["mixture_id"]}
    for k in _sources(table):
        columns[f"speaker_{k}_ID"] = table[f"source_{k}_speaker"]
        columns[f"speaker_{k}_sex"] = table[f"source_{k}_sex"]
    return pd.DataFrame(columns)


def _without_joined(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Mixtures of one utterance of each speaker and a recorded noise; LibriMix names no others."""
    paths = table[[*(f"source_{k}_path" for k in _sources(table)), "noise_source_path"]]
    joined = paths.fillna("").apply(lambda column: column.str.contains(SEVERAL, regex=False))
    joined = joined.any(axis=1)
    joined |= "source_1_begins" in table  # a conversation
    if joined.any():
        logging.warning(
            "%s: %d of %d mixtures have joined utterances, turns or babble; LibriMix's metadata"
            " leaves them out",
            split,
            joined.sum(),
            len(table),
        )
    return table[~joined]


def _log_starts(table: pd.DataFrame, split: str) -> None:
    moved = (table["noise_start"] > 0).sum()
    if moved:
        logging.info(
            "%s: in %d of %d mixtures the noise does not begin at 0; LibriMix's script ignores"
            " noise_start and would take another stretch of it",
            split,
            moved,
            len(table),
        )


def _sources(table: pd.DataFrame, kind: str = "mix_both") -> list[int]:
    """Numbers of the sources of a kind of mixture; `mix_single` has only the first."""
    return [1] if kind == "mix_single" else list(range(1, len(source_names(table)) + 1))


def _write(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
