"""The signals of a mixture and their names in LibriMix."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Signal = NDArray[np.floating]
SLOWEST = 0.1  # speed of a noise


def source_names(columns: Iterable[str]) -> list[str]:
    """Return `s1`, `s2`, … for the sources whose paths are among a table's columns or a row's keys.

    >>> source_names(["source_1_path", "source_2_path", "noise_path"])
    ['s1', 's2']
    """
    names = (c.removesuffix("_path") for c in columns if c.endswith("_path"))
    found = {n.replace("source_", "s") for n in names}
    return sorted((n for n in found if n[0] == "s" and n[1:].isdigit()), key=lambda n: int(n[1:]))


def sources_of(mixture: "dict[Any, Any] | pd.Series[Any]") -> list[str]:
    """Return `s1`, `s2`, … for the sources of one mixture: those whose paths are not empty.

    A table has the columns of its mixture with the most sources.

    >>> sources_of({"s1_path": "s1/a.wav", "s2_path": float("nan"), "noise_path": "noise/a.wav"})
    ['s1']
    """
    return source_names(str(name) for name, cell in mixture.items() if isinstance(cell, str | Path))


def present(row: dict[Any, Any], names: list[str]) -> list[str]:
    """Return those of the names of signals that have a file in a row of a manifest.

    >>> present({"s1_path": "s1/a.wav", "s2_path": float("nan")}, ["s1", "s2", "s3"])
    ['s1']
    """
    return [name for name in names if isinstance(row.get(f"{name}_path"), str | Path)]


def mix(sources: list[Signal], noise: Signal, single: bool = True) -> dict[str, Signal]:
    """Return all signals of a mixture by their names, each `[time]`.

    mix_clean = Σ s_k, mix_both = mix_clean + noise, and if `single`, mix_single = s_1 + noise. Sums
    are rounded to 32 bit, as in LibriMix's script.
    """
    clean = sum(sources[1:], sources[0])
    mixtures = {"mix_both": clean + noise, "mix_clean": clean}
    if single:
        mixtures["mix_single"] = sources[0] + noise
    rounded = {name: samples.astype(np.float32, copy=False) for name, samples in mixtures.items()}
    return rounded | {f"s{k}": source for k, source in enumerate(sources, 1)} | {"noise": noise}


def speed_named(name: str) -> tuple[str, float]:
    """Return the recording and the speed that the name of a noise gives.

    A speed below 0.1 is not taken as one, since it would turn a second into minutes.

    >>> speed_named("rainsp08")
    ('rain', 0.8)
    """
    recording, mark, digits = name.rpartition("sp")
    if not mark or not recording or not re.fullmatch(r"[0-9]{2,}", digits):
        return name, 1.0
    speed = int(digits) / 10 ** (len(digits) - 1)
    return (recording, speed) if speed >= SLOWEST else (name, 1.0)


def name_of_speed(recording: str, speed: float) -> str:
    """Return LibriMix's name of a recording at some speed.

    >>> name_of_speed("rain", 0.8)
    'rainsp08'
    """
    return recording if speed == 1 else f"{recording}sp{str(speed).replace('.', '')}"
