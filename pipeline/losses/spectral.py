"""Multi-resolution STFT loss (Yamamoto et al. 2020, arXiv:1910.11480, section 2.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config import Section
from pipeline.config.problems import shown
from pipeline.config.section import as_number
from pipeline.losses.absent import nothing
from pipeline.losses.term import Settable, Term

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 1e-8
"""Powers of a spectrogram are raised to it, so that silence has a logarithm and a gradient."""
LONGEST = 1_000_000  # samples


def _length(value: Any) -> Any:
    value = as_number(value)
    if isinstance(value, str) and re.fullmatch(r"\d{1,5}(\.\d+)? ?ms", value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST:
        return value
    raise ValueError(
        f"must be a number of samples up to {LONGEST}, or of milliseconds as '15 ms', not"
        f" {shown(value)}"
    )


Length = Annotated[Any, BeforeValidator(_length)]


def samples_of(length: int | str, sample_rate: int) -> int:
    """A length in samples, at least 1; lengths in milliseconds are scaled with the sample rate.

    >>> samples_of("15 ms", 16000), samples_of(240, 8000)
    (240, 240)
    """
    if isinstance(length, int):
        return length
    return max(round(float(length.removesuffix("ms")) * sample_rate / 1000), 1)


class Resolution(NamedTuple):
    """An STFT, in samples: its size, its hop, and its Hann window."""

    fft: int
    hop: int
    window: int


class Arguments(Section):
    """Factors of both parts, and a value for each resolution in the three lists.

    The defaults are those of the paper at 16 kHz: 512, 1024 and 2048 samples, hops of 50, 120 and
    240, windows of 240, 600 and 1200.
    """

    spectral_convergence: float = Field(default=1.0, ge=0, le=1.0e9)
    log_magnitude: float = Field(default=1.0, ge=0, le=1.0e9)
    ffts: list[Length] = Field(default=["32 ms", "64 ms", "128 ms"], min_length=1)
    hops: list[Length] = Field(default=["3.125 ms", "7.5 ms", "15 ms"], min_length=1)
    windows: list[Length] = Field(default=["15 ms", "37.5 ms", "75 ms"], min_length=1)

    @model_validator(mode="after")
    def _something_counts(self) -> Arguments:
        if self.spectral_convergence == self.log_magnitude == 0:
            raise ValueError(
                "spectral_convergence and log_magnitude are both 0, so that nothing counts; raise"
                " one, or leave the term out"
            )
        return self

    @model_validator(mode="after")
    def _lists_fit(self) -> Arguments:
        if not len(self.ffts) == len(self.hops) == len(self.windows):
            raise ValueError(
                "ffts, hops and windows differ in number; give one for each resolution"
            )
        return self

    def resolutions(self, sample_rate: int) -> list[Resolution]:
        """The STFTs at a sample rate in Hz; an FFT is never shorter than its window."""
        lists = zip(self.ffts, self.hops, self.windows, strict=True)
        sizes = ([samples_of(length, sample_rate) for length in each] for each in lists)
        return [Resolution(max(fft, window), hop, window) for fft, hop, window in sizes]


def build(arguments: Arguments, sample_rate: int) -> Term:
    """The term at a sample rate in Hz."""
    resolutions = arguments.resolutions(sample_rate)

    def single(estimates: Tensor, targets: Tensor) -> Tensor:
        convergence, logarithm = multi_resolution_stft(estimates, targets, resolutions)
        return arguments.spectral_convergence * convergence + arguments.log_magnitude * logarithm

    return Term(single, absent=nothing)


MULTI_RESOLUTION_STFT = Settable(Arguments, build)


def multi_resolution_stft(
    estimates: Tensor, targets: Tensor, resolutions: list[Resolution]
) -> tuple[Tensor, Tensor]:
    """Spectral convergence and log-magnitude distance, means over the resolutions.

    With magnitudes S and Ŝ of target and estimate, ‖S − Ŝ‖ / ‖S‖ (Frobenius norms) and
    mean |log S − log Ŝ|. Every norm is of one signal, so that the other signals of a batch change
    nothing. `[signals, time]` to two tensors `[signals]`.
    """
    import torch

    parts = []
    for resolution in resolutions:
        found, wanted = (magnitudes(signals, resolution) for signals in (estimates, targets))
        error, size = (torch.linalg.vector_norm(m, dim=(1, 2)) for m in (wanted - found, wanted))
        parts.append(torch.stack([error / size, (wanted.log() - found.log()).abs().mean((1, 2))]))
    convergence, logarithm = torch.stack(parts).mean(0)
    return convergence, logarithm


def magnitudes(signals: Tensor, resolution: Resolution) -> Tensor:
    """Magnitudes of the STFT with a periodic Hann window: `[signals, bins, frames]`.

    The signals are mirrored at their ends; zeros stand behind those that are too short for it.
    """
    import torch
    import torch.nn.functional as F

    fft, hop, length = resolution
    window = torch.hann_window(length, device=signals.device, dtype=signals.dtype)
    padded = F.pad(signals, (0, max(fft // 2 + 1 - signals.shape[-1], 0)))
    spectrum = torch.stft(padded, fft, hop, length, window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp(min=SMALLEST).sqrt()
