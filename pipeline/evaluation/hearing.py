"""Prepare audio for models of listening and recognition: 16 kHz, at one level."""

from pathlib import Path

import numpy as np

from pipeline import audio
from pipeline.audio import Samples
from pipeline.evaluation.metrics import silent

HEARD_RATE = 16_000
"""Sample rate in Hz at which DNSMOS and the recognisers were trained."""

HEARD_LEVEL = -26.0
"""RMS in dBFS: the nominal level of speech in listening tests (ITU-T P.830).

The output of a separator has no scale of its own, and DNSMOS depends on the level: between -36 and
-21 dBFS its overall score changes by up to 0.4 for clean speech and 0.7 for noisy speech, above
full scale by more than one."""


def hear(file: Path | str, sample_rate: int) -> Samples | None:
    """Read a file for a listening model, `[time]` at 16 kHz and one level; None if it is silent.

    Peaks may exceed full scale, which floating-point samples can represent.

    Args:
        file: audio at `sample_rate`.
        sample_rate: Hz, resampled to `HEARD_RATE`.

    Raises:
        PipelineError: as for `audio.read_at`.
    """
    samples = audio.read_at(file, sample_rate)
    return None if silent(samples) else at_level(audio.resample(samples, sample_rate, HEARD_RATE))


def at_level(samples: Samples) -> Samples:
    """Scale `[time]` to `HEARD_LEVEL`: y = x · 10^(−26 / 20) / std(x).

    >>> round(float(at_level(np.array([3, -3], np.float32))[0]), 4)
    0.0501
    """
    return samples * np.float32(10 ** (HEARD_LEVEL / 20) / samples.std(dtype=np.float64))
