"""Files of what a network made of a recording."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf

from pipeline.app.estimates import Estimates
from pipeline.audio import Samples
from pipeline.audio.encoding import FORMATS, encoding, quantised
from pipeline.audio.recordings import Header
from pipeline.base.errors import PipelineError

COARSE = {"PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW"}
FLOATS = {"FLOAT", "DOUBLE"}


@dataclass(frozen=True)
class Coding:
    """A format as users name it, and the coding of its samples, None for that of the recording."""

    suffix: str = "wav"
    subtype: str | None = None

    def __post_init__(self) -> None:
        format, _ = FORMATS[self.suffix]
        if self.subtype and not sf.check_format(format, self.subtype):
            allowed = ", ".join(sf.available_subtypes(format))
            raise PipelineError(
                f"--subtype: {self.suffix} has no {self.subtype}; choose one of {allowed}"
            )

    def of(self, header: Header) -> tuple[str, str]:
        """libsndfile's names of format and coding for a recording.

        16 bits for one of 16 bits or fewer, 32-bit float for floats; 24 bits for others and what a
        lossy format holds, which are finer than 16 bits.
        """
        format, subtype = FORMATS[self.suffix]
        if self.subtype or subtype != "PCM_16":
            return format, self.subtype or subtype
        if header.subtype in FLOATS and sf.check_format(format, "FLOAT"):
            return format, "FLOAT"
        return format, "PCM_16" if header.subtype in COARSE else "PCM_24"


@dataclass
class Written:
    """A file that was written, its peak and RMS of full scale, and how many values were clipped."""

    path: Path
    peak: float = 0.0
    clipped: int = 0
    _square: float = field(default=0.0, repr=False)
    _values: int = field(default=0, repr=False)

    @property
    def rms(self) -> float:
        """Root of the mean square of all channels."""
        return (self._square / max(self._values, 1)) ** 0.5

    def add(self, block: Samples) -> None:
        """Count a block in."""
        self.peak = max(self.peak, float(np.abs(block).max(initial=0)))
        self._square += float(np.square(block, dtype=np.float64).sum())
        self._values += block.size


def write(
    estimates: Estimates,
    targets: list[Path],
    coding: Coding,
    wet: float = 1.0,
    noise: Path | None = None,
) -> list[Written]:
    """Write the estimates of a recording, at its rate, with its channels, length and tags.

    All files are there when it returns, or none.

    Args:
        estimates: of the recording.
        targets: a file for each source.
        coding: of the files.
        wet: share of the estimates in what is written; the rest is the recording.
        noise: a file for the recording less all that is written, or None.

    Raises:
        PipelineError: the format does not take the rate or the channels.
        OSError: the disk is full, or the folder cannot be written.
    """
    header = estimates.tracks.of.header
    format, subtype = coding.of(header)
    written = [Written(path) for path in (*targets, *([noise] if noise else []))]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                encoding(
                    each.path, header.sample_rate, header.channels, format, subtype, header.tags
                )
            )
            for each in written
        ]
        for block in estimates.blocks():
            mixed = block.mixed(wet)
            outputs = [quantised(output, subtype) for output in mixed]
            raw = list(mixed)
            if noise:  # from what the files hold, so that their sum is the recording
                raw.append(block.recording - sum(outputs))
                outputs.append(quantised(raw[-1], subtype))
            for each, writer, output, unlimited in zip(written, writers, outputs, raw, strict=True):
                each.add(output)
                each.clipped += int((np.abs(unlimited) > 1).sum()) if subtype not in FLOATS else 0
                writer(output)
    return written
