"""Denoise-then-separate: does denoising first help speech separation?

>>> from pipeline import denoise, separate
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.app.arrays import denoise, separate

__all__ = ["denoise", "separate"]


def __getattr__(name: str) -> Any:
    """Import the functions when they are asked for: torch takes a second or two."""
    if name in __all__:
        return getattr(import_module("pipeline.app.arrays"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
