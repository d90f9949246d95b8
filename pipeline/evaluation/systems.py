"""The names of systems in score tables, and what they say."""

from typing import NamedTuple

import pandas as pd

MIX_CLEAN = "mix_clean"
"""The source that stands for all speakers at once."""

MIXTURE = "mixture"
"""The system that does nothing: its estimate of everything is the noisy mixture."""

MIXTURE_AS_DENOISED = "mixture-mix_clean"
"""That system against `mix_clean`, as if a denoiser had made the mixture."""

DENOISED = "denoised-"
"""What the names of a denoiser's condition and system begin with."""

ORACLE = "clean"
"""The condition without noise, which nobody has outside an experiment."""


class System(NamedTuple):
    """A separation system: a separator, what it was trained on and what it hears."""

    separator: str
    trained: str
    tested: str

    @property
    def oracle(self) -> bool:
        """True if it hears what nobody has."""
        return self.tested == ORACLE

    @property
    def denoiser(self) -> str | None:
        """The denoiser whose output it hears, if it hears one's."""
        return self.tested.removeprefix(DENOISED) if self.tested.startswith(DENOISED) else None


def system(name: str) -> System | None:
    """Split `separator/trained/tested`; None for `mixture` and `denoised-…`."""
    parts = name.split("/")
    return System(*parts) if len(parts) == 3 else None


def is_oracle(name: str) -> bool:
    """Whether a separation system hears what nobody has."""
    parsed = system(name)
    return parsed is not None and parsed.oracle


def separator_of(name: str) -> str:
    """The separator of a system; empty where there is none."""
    parsed = system(name)
    return parsed.separator if parsed else ""


def direct_of(name: str) -> str:
    """The name of a separation system's separator that meets no denoiser at all."""
    return f"{separator_of(name)}/noisy/noisy"


def without_denoiser(name: str) -> list[str]:
    """Systems to hold one that hears denoised mixtures against: what they hear is noisy.

    The same separator, and, if it was trained on what it hears, the one of which that is true.
    Empty for a system that hears none.
    """
    parsed = system(name)
    if parsed is None or parsed.denoiser is None:
        return []
    same = f"{parsed.separator}/{parsed.trained}/noisy"
    return [same, direct_of(name)] if parsed.trained == parsed.tested else [same]


def told_apart(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores in which the mixture against `mix_clean` is `MIXTURE_AS_DENOISED`."""
    as_denoised = (scores["system"] == MIXTURE) & (scores["source"] == MIX_CLEAN)
    return scores.assign(system=scores["system"].mask(as_denoised, MIXTURE_AS_DENOISED))
