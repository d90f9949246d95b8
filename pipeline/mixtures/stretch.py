"""The stretch of a noise used in a mixture; a nearly silent one is not raised to meet an SNR."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import audio
from pipeline.audio.levels import power

# 30 dB below its recording a stretch is a pause: raised to the SNR it would be rounding and hum.
NEARLY_SILENT = 10 ** (-30 / 10)
AT_ONCE = 1 << 20  # samples in memory, for a recording of any length


def read_stretch(row: dict[str, Any], sample_rate: int, samples: int) -> tuple[audio.Samples, int]:
    """Read the stretch of a noise that a row of a plan specifies, or a louder one.

    A stretch with P(stretch) < 10⁻³ P(recording) is nearly silent. If the row asks for an SNR, the
    recording is then cut into stretches of the same length, and the next one that is not nearly
    silent is used; the first follows the last. Therefore the choice depends on the row alone.

    Args:
        row: a row of a plan; `noise_rms` is the level of the whole recording in dBFS. Without it,
            as in older plans, the recording is always read.
        sample_rate: Hz.
        samples: length of the stretch in samples of the file.

    Returns:
        the stretch, `[time]`, shorter if the recording ends before; and its first sample.
    """
    path, start = row["noise_source_path"], int(row["noise_start"])
    stretch = audio.read_at(path, sample_rate, start, samples, exact=False)
    if "noise_gain" in row or len(stretch) < samples:
        return stretch, start
    level = 10 ** (row.get("noise_rms", math.inf) / 10)
    if power(stretch) >= NEARLY_SILENT * level:
        return stretch, start
    chosen = _louder_start(path, sample_rate, start, samples, float(power(stretch)))
    return audio.read_at(path, sample_rate, chosen, samples), chosen


def _louder_start(path: str, sample_rate: int, start: int, samples: int, level: float) -> int:
    """`start` if `level`, the power of its stretch, is enough; else the next stretch with enough.

    At least one stretch has enough, since one is as loud as the mean of all.
    """
    starts, powers = _stretches(path, sample_rate, samples)
    least = NEARLY_SILENT * powers.mean()
    if level >= least:
        return start
    loud = starts[powers >= least]
    return int(loud[np.searchsorted(loud, start) % len(loud)])


@lru_cache(maxsize=1000)
def _stretches(
    path: str, sample_rate: int, samples: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Starts of the stretches that cover a recording, and their powers: both `[stretches]`."""
    last = audio.info(path).samples - samples  # overlaps the stretch before it
    starts = np.append(np.arange(0, last, samples), last)
    end, many = samples * (len(starts) - 1), samples * max(1, AT_ONCE // samples)
    parts = [(first, min(many, end - first)) for first in range(0, end, many)] + [(last, samples)]
    read = (audio.read_at(path, sample_rate, *part).reshape(-1, samples) for part in parts)
    return starts, np.concatenate([power(stretches) for stretches in read])
