"""FLAC to WAV at the workflow's rate, with what mixing needs to know of every file."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyloudnorm
from tqdm import tqdm

from pipeline import audio
from pipeline.errors import PipelineError, first_few
from pipeline.files import read_manifest, shard_of, write_manifest
from pipeline.levels import OFFSET, power, without_offset

SILENCE = 1e-4  # of full scale: below -80 dBFS there is nothing to hear
METER_BLOCK = 0.4  # seconds, the block of ITU-R BS.1770


def convert_shard(scan: Path, out: Path, scatteritem: str, sample_rate: int) -> None:
    """Convert one shard of a scanned corpus; write `out/index.csv` and the WAVs beside it.

    Adds to the scan's columns: original_path, the file that was converted; samples, lufs (ITU-R
    BS.1770, of the whole file; NaN below 0.4 s), rms (dBFS, without the mean) and peak, all of the
    converted file.

    Raises:
        PipelineError: names every file that is truncated, silent or holds NaN.
    """
    table = shard_of(read_manifest(scan), scatteritem)
    rows, problems, stereo, shifted = [], [], 0, 0
    for row in tqdm(table.to_dict("records"), f"converting {scatteritem}", disable=None):
        target = out / row["split"] / Path(row["path"]).with_suffix(".wav").name
        try:
            facts = convert(Path(row["path"]), target, sample_rate)
        except PipelineError as error:
            problems.append(str(error))
            continue
        stereo += facts.pop("channels") > 1
        shifted += facts.pop("offset") > 0
        rows.append(row | facts | {"original_path": row["path"], "path": target})
    if problems:
        raise PipelineError(first_few(problems))
    if stereo:
        logging.warning("%d files have several channels; their first channel is used", stereo)
    if shifted:
        logging.warning("%d files have a constant offset; it is removed", shifted)
    write_manifest(out / "index.csv", pd.DataFrame(rows, columns=_columns(table)))


def convert(source: Path, target: Path, sample_rate: int) -> dict[str, float]:
    """Convert one file to 16-bit mono WAV at `sample_rate` Hz; return its facts.

    A constant offset is removed where it is above -45 dBFS or adds more than 0.1 dB to the level;
    files without one stay the same to the bit.

    Raises:
        PipelineError: the file is unreadable, silent or holds NaN.
    """
    recorded, header = audio.read_with_info(source)
    # Before resampling, which rings where an offset begins and ends: that would count as sound.
    centred = without_offset(recorded, OFFSET)
    samples = audio.resample(centred, header.sample_rate, sample_rate)
    if _is_silent(centred) or _is_silent(samples):
        raise PipelineError(f"{source}: is silent (below -80 dBFS); remove it from the corpus")
    peak = float(abs(samples).max())
    if not np.isfinite(peak):
        raise PipelineError(f"{source}: holds samples beyond any level; mend or remove the file")
    if peak > 1:  # resampling overshoots a full-scale wave; so does one that had an offset
        samples /= peak
    audio.write(target, samples, sample_rate)
    return {
        "samples": len(samples),
        "lufs": loudness(samples, sample_rate),
        "rms": float(10 * np.log10(power(samples))),
        "peak": min(peak, 1.0),
        "channels": header.channels,
        "offset": centred is not recorded,
    }


def _is_silent(samples: audio.Samples) -> bool:
    """Whether `[time]` stays within `SILENCE` of its mean."""
    mean = samples.mean(dtype=np.float64)
    return bool(max(samples.max() - mean, mean - samples.min()) < SILENCE)


def loudness(samples: audio.Samples, sample_rate: int) -> float:
    """Integrated loudness of `[time]` in LUFS (ITU-R BS.1770-4); NaN where it is undefined."""
    if len(samples) < METER_BLOCK * sample_rate:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log of zero where every block is gated
        value = pyloudnorm.Meter(sample_rate).integrated_loudness(samples.astype("float64"))
    return float(value) if value > -float("inf") else float("nan")


def _columns(table: pd.DataFrame) -> list[str]:
    return [*table.columns, "original_path", "samples", "lufs", "rms", "peak"]
