"""Denoisers that are taken as they are published: nothing is trained."""

from collections.abc import Callable
from typing import Any

from pipeline.config import Section
from pipeline.models.entry import Entry
from pipeline.models.package import Package
from pipeline.tasks import DENOISE


def packaged(
    arguments: type[Section],
    build: Callable[[Any, int, int], Any],
    look_ahead: Callable[[Any, int], float | None],
    rate: int,
    package: Package,
) -> Entry:
    """The entry of a denoiser whose network is in files of a package, and runs at one rate in Hz.

    Each recording of a batch goes through by itself (`by_item.py`), so that padding changes none.
    """
    return Entry(
        arguments,
        build,
        look_ahead,
        tasks=(DENOISE.name,),
        sample_rates=(rate,),
        exact_padding=True,
        trained=False,
        package=package,
    )
