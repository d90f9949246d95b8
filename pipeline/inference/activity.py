"""Which outputs of a separator have a speaker, where mixtures may have fewer speakers than outputs.

An output whose speaker is absent is nearly silent, since a training compares it with silence
(`pipeline.losses.absent`). The only definition of this is here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import audio

BLOCK = 1 << 20  # samples that are read at once


def active(energies: Sequence[float], below: float) -> NDArray[np.bool_]:
    """Return which outputs of one recording have a speaker: `[outputs]`.

    With the energies E_k of its outputs, output k has one if

        E_k > 0 and 10 log10(E_k / max_j E_j) ≥ `below`,

    so that the loudest output always has one unless all are silent. The level is relative to the
    loudest output and not to the mixture, since a noisy mixture may be much louder than its
    speakers, and since a training on SI-SDR leaves the common scale of the outputs open.

    >>> active([1.0, 0.02, 0.005, 0.0], -20)
    array([ True,  True, False, False])
    """
    values = np.asarray(energies, np.float64)
    least = values.max() * 10 ** (below / 10)
    return (values > 0) & (values >= least)


def energy(path: Path | str, sample_rate: int) -> float:
    """Return the energy of a file without its mean, Σ (x − x̄)², in memory of constant size.

    Raises:
        PipelineError: as for `audio.read_at`.
    """
    samples = audio.info(path).samples
    total = squares = 0.0
    for start in range(0, samples, BLOCK):
        block = audio.read_at(path, sample_rate, start, min(BLOCK, samples - start))
        total += float(block.sum(dtype=np.float64))
        squares += float(np.square(block, dtype=np.float64).sum())
    return max(squares - total**2 / samples, 0.0)


def remove_inactive(files: Sequence[Path], sample_rate: int, below: float) -> list[Path | None]:
    """Remove the files of the outputs of one recording that have no speaker.

    Args:
        files: of all outputs.
        sample_rate: of these, in Hz.
        below: as in `active`, in dB.

    Returns:
        The files, with None in the place of those that were removed.
    """
    found = active([energy(file, sample_rate) for file in files], below)
    for file in np.array(files, object)[~found]:
        file.unlink()
    return [file if there else None for file, there in zip(files, found, strict=True)]
