"""Denoise and separate as functions: the command line's own code on arrays and files."""

from pathlib import Path

import numpy as np

from pipeline.app.command import available
from pipeline.app.estimates import estimating
from pipeline.app.networks import find
from pipeline.app.tracks import Recording, in_file, in_memory
from pipeline.audio import Samples
from pipeline.audio.files import RATES
from pipeline.base.errors import PipelineError
from pipeline.tasks import DENOISE, SEPARATE, Task


def denoise(
    recording: Samples | Path | str,
    sample_rate: int | None = None,
    *,
    model: str | None = None,
    wet: float = 1.0,
    by_channel: bool = False,
    device: str = "auto",
    threads: int | None = None,
) -> Samples:
    """Take the noise out of a recording.

    Args:
        recording: `[time]` or `[time, channels]`, or the path of a file of any format.
        sample_rate: of the array in Hz.
        model: the name of a network that ships or of a published denoiser, the folder of a model,
            or a weights file.
        wet: share of the denoised signal in the result; the rest is the recording.
        by_channel: whether each channel goes through by itself, and not their mean.
        device: `auto`, `cpu` or `cuda`.
        threads: of the CPU, by default all.

    Returns:
        The denoised recording, of the shape, the rate and the level of the recording.

    Raises:
        PipelineError: the recording cannot be read or is silent, or there is no such network.

    >>> noisy = np.random.default_rng(0).normal(0, 0.1, (8000, 2)).astype(np.float32)
    >>> denoise(noisy, 16000, model="spectral_gating").shape
    (8000, 2)
    """
    found = _applied(DENOISE, recording, sample_rate, model, wet, by_channel, device, threads)
    return found[0]


def separate(
    recording: Samples | Path | str,
    sample_rate: int | None = None,
    *,
    model: str | None = None,
    by_channel: bool = False,
    device: str = "auto",
    threads: int | None = None,
) -> Samples:
    """Separate the speakers of a recording.

    Arguments and errors are those of `denoise`.

    Returns:
        `[sources, time]` or `[sources, time, channels]`, of the rate of the recording.

    >>> mixture = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    >>> separate(mixture, 8000).shape
    (2, 8000)
    """
    return _applied(SEPARATE, recording, sample_rate, model, 1.0, by_channel, device, threads)


def _applied(
    task: Task,
    recording: Samples | Path | str,
    sample_rate: int | None,
    model: str | None,
    wet: float,
    by_channel: bool,
    device: str,
    threads: int | None,
) -> Samples:
    if not 0 <= wet <= 1:
        raise PipelineError(f"wet: is {wet}; give a share from 0 to 1")
    source, flat = _opened(recording, sample_rate)
    network = find(task, model)
    with estimating(network, source, device, threads or available(), by_channel) as estimates:
        parts = [block.mixed(wet) for block in estimates.blocks()]
    whole = np.concatenate(parts, axis=1)
    return whole[:, :, 0] if flat else whole


def _opened(recording: Samples | Path | str, sample_rate: int | None) -> tuple[Recording, bool]:
    """A recording, and whether it has no axis for channels."""
    if isinstance(recording, str | Path):
        source = in_file(Path(recording))
        with source.open() as (header, _):
            return source, header.channels == 1
    given = np.asarray(recording)
    if not np.issubdtype(given.dtype, np.floating):
        raise PipelineError(f"the recording: is of {given.dtype}; give floats in -1 to 1")
    signal = given.astype(np.float32)
    if sample_rate is None or sample_rate not in RATES:
        raise PipelineError(f"sample_rate: is {sample_rate}; give that of the array, in Hz")
    channels = signal.shape[1] if signal.ndim == 2 else 1
    if signal.ndim not in (1, 2) or not 0 < channels <= len(signal):
        raise PipelineError(
            f"the recording: has the shape {signal.shape}; give [time] or [time, channels]"
        )
    return in_memory(signal.reshape(len(signal), -1), sample_rate), signal.ndim == 1
