"""How pure the references are: a recording's own noise caps the score of whoever removes it."""

import numpy as np

from pipeline.audio import Samples

FRAME_SECONDS = 0.02
QUIET = 5  # percentile of the frames' powers: speech has pauses for longer than that
SILENCE = 1e-10  # power (-100 dBFS) of frames that hold rounding at most, and no room


def noise_below(samples: Samples, sample_rate: int) -> float:
    """How far the quiet frames of `[time]` lie below its level, in dB.

    The level is the mean power of all frames but those of digital silence (padding between
    utterances), the quiet frames' that of their 5th percentile. If that is noise, and there
    all the time, an estimate that is the speech alone has an SI-SDR of that many dB against it.

    Returns:
        dB, 0 or more; NaN where there is no sound.
    """
    frame = round(FRAME_SECONDS * sample_rate)
    whole = len(samples) // frame * frame
    # Each without its mean: some recordings have an offset above their speech, which SI-SDR
    # leaves out too.
    power = samples[:whole].astype(np.float64).reshape(-1, frame).var(axis=1)
    power = power[power > SILENCE]
    if not len(power):
        return float("nan")
    return float(10 * np.log10(power.mean() / np.percentile(power, QUIET)))
