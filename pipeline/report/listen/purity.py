"""The noise in references, which limits the score of an estimate without that noise."""

import numpy as np

from pipeline.audio import Samples

FRAME_SECONDS = 0.02
QUIET = 5  # percentile of the frames' powers: speech has pauses for longer than that
SILENCE = 1e-10  # power (-100 dBFS) of frames with at most rounding errors, and no room noise


def noise_below(samples: Samples, sample_rate: int) -> float:
    """Return the level of the quiet frames of `[time]` below its own level, in dB.

    The level is the mean power of all frames except digital silence (padding between utterances),
    the level of quiet frames is the 5th percentile of the powers. If they hold noise that is
    always present, an estimate of the speech alone has an SI-SDR of this value.

    Returns:
        dB, 0 or more; NaN for silence.
    """
    frame = round(FRAME_SECONDS * sample_rate)
    whole = len(samples) // frame * frame
    # The means are removed: some recordings have an offset above their speech, which SI-SDR also
    # ignores.
    power = samples[:whole].astype(np.float64).reshape(-1, frame).var(axis=1)
    power = power[power > SILENCE]
    if not len(power):
        return float("nan")
    return float(10 * np.log10(power.mean() / np.percentile(power, QUIET)))
