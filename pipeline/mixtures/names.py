"""Names of the signals of a mixture, as LibriMix has them."""

from collections.abc import Iterable


def source_names(columns: Iterable[str]) -> list[str]:
    """`s1`, `s2`, … for as many sources as a table's columns, or a row's keys, have paths of."""
    names = (c.removesuffix("_path") for c in columns if c.endswith("_path"))
    found = {n.replace("source_", "s") for n in names}
    return sorted((n for n in found if n[0] == "s" and n[1:].isdigit()), key=lambda n: int(n[1:]))
