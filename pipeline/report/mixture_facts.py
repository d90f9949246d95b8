"""Facts of a test mixture that may explain its scores."""

import re

import numpy as np
import pandas as pd

from pipeline.mixtures.names import sources_of
from pipeline.report.names import number
from pipeline.report.run import Run

WORDS = re.compile(r"(?:^|(?<=[_ ]))[A-Za-z]{2,}(?:[-_ ][A-Za-z]{2,})*(?=[-_ .@]|$)")
"""Words of letters alone in a name: of `office-ambience_fs335711_0` the first two."""

SAME_SEX, MIXED_SEX = "same sex", "mixed"


def mixture_facts(run: Run) -> pd.DataFrame:
    """Return facts of the test mixtures, NaN where the manifest has none.

    Returns:
        By `mixture_id`: `snr`, of all speakers together to the noise, dB; `overlap`, in % of the
        time with speech; `seconds`; `speakers`, with their sexes; `sexes`, `SAME_SEX` or
        `MIXED_SEX`; `noise`, the file's name; `kind`, the first words in it. A lone speaker has
        neither `overlap` nor `sexes`.
    """
    table = run.mixtures
    noise = _column(table, "noise").astype(object)
    overlap = 100 * _column(table, "overlap_ratio")
    return pd.DataFrame(
        {
            "snr": input_snr(table),
            "overlap": overlap.where(speaker_counts(run) != 1),
            "seconds": table["length"] / run.sample_rate,
            "speakers": _speakers(table),
            "sexes": _sexes(table),
            "noise": noise,
            "kind": noise.map(noise_kind),
        }
    )


def speaker_counts(run: Run) -> "pd.Series[int]":
    """Return the number of speakers of each test mixture, 0 where the manifest names none."""
    return _counts(run.mixtures)


def _counts(table: pd.DataFrame) -> "pd.Series[int]":
    return pd.Series([len(sources_of(row)) for row in table.to_dict("records")], table.index)


def input_snr(table: pd.DataFrame) -> "pd.Series[float]":
    """Return the SNR of all speakers together over the whole mixture in dB.

    It is the value measured in rendering, or else the one that the plan requested.
    """
    if "noise_both_snr" in table:
        return -table["noise_both_snr"]
    return _column(table, "noise_snr")


def noise_kind(name: object) -> str | float:
    """Return the first words of a noise's name; NaN if there is none.

    >>> noise_kind("esc10_sea-waves_5-219379-A"), noise_kind("babble-0003")
    ('sea-waves', 'babble')
    """
    found = WORDS.search(name) if isinstance(name, str) else None
    return found[0] if found else np.nan


def fact_texts(facts: pd.DataFrame) -> pd.DataFrame:
    """Return `snr`, `overlap` and `seconds` as texts with units, the others unchanged; "–"."""
    units = {"snr": (1, "dB"), "overlap": (0, "%"), "seconds": (1, "s")}
    texts = {
        name: [
            f"{number(value, digits)} {unit}" if np.isfinite(value) else "–"
            for value in facts[name]
        ]
        for name, (digits, unit) in units.items()
    }
    return facts.assign(**texts).astype(object).fillna("–")


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(np.nan, table.index)


def _of_sources(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """`source_<k>_<what>` of every source, in their order."""
    return table.filter(regex=rf"^source_\d+_{what}$")


def _speakers(table: pd.DataFrame) -> list[str]:
    names, sexes = (_of_sources(table, what) for what in ("speaker", "sex"))
    if sexes.shape != names.shape:
        sexes = pd.DataFrame(np.nan, names.index, names.columns)
    rows = zip(names.to_numpy(), sexes.to_numpy(), _known_counts(table, names), strict=True)
    return [
        ", ".join(_speaker(*pair) for pair in zip(of_names[:count], of_sexes[:count], strict=True))
        for of_names, of_sexes, count in rows
    ]


def _known_counts(table: pd.DataFrame, of_sources: pd.DataFrame) -> "pd.Series[int]":
    """The number of sources of each mixture, which have the first of the columns `of_sources`."""
    counts = _counts(table)
    return counts.where(counts > 0, of_sources.shape[1])


def _speaker(name: object, sex: object) -> str:
    known = str(name) if isinstance(name, str) else "?"
    return f"{known} ({sex})" if isinstance(sex, str) else known


def _sexes(table: pd.DataFrame) -> pd.Series:
    sexes = _of_sources(table, "sex")
    if sexes.shape[1] < 2:
        return pd.Series(np.nan, table.index, dtype=object)
    counts = _known_counts(table, sexes)
    alike = (sexes.eq(sexes.iloc[:, 0], axis=0) | sexes.isna()).all(axis=1)
    split = np.where(alike, SAME_SEX, MIXED_SEX)
    whole = (sexes.notna().sum(axis=1) == counts) & (counts > 1)
    return pd.Series(split, table.index, dtype=object).where(whole)
