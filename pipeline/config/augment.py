"""The section `training.augment`: changes of fresh mixtures."""

from pydantic import Field

from pipeline.config.section import Range, ReverberationTimes, Seconds, Section


class Augment(Section):
    """Augmentations of fresh mixtures. Each that is named changes a share `chance` of them.

    `remix` adds a second noise. Every speaker begins up to `shift` seconds later.
    `reverberation` puts the speakers into a simulated room whose reverberation time, in seconds,
    is in this range. `band_mask` removes a band of up to this share of the mel scale. `gain` is a
    range in dB. `clipping` cuts the mixture off at a level in this range, in dB relative to its
    peak.
    """

    chance: float = Field(default=0.5, gt=0, le=1)
    remix: bool = False
    shift: Seconds | None = None
    reverberation: ReverberationTimes | None = None
    band_mask: float | None = Field(default=None, gt=0, lt=1)
    gain: Range | None = None
    clipping: Range | None = None
