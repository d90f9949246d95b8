"""Convert FLAC to WAV at the workflow's rate, with the facts that mixing needs of each file."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import audio
from pipeline.audio.levels import OFFSET, power, without_offset
from pipeline.audio.loudness import loudness
from pipeline.base.errors import PipelineError, first_few
from pipeline.base.files import read_manifest, shard_of, write_manifest

SILENCE = 1e-4  # of full scale: below -80 dBFS a file counts as silent


def convert_shard(scan: Path, out: Path, scatteritem: str, sample_rate: int) -> None:
    """Convert one shard of a scanned corpus; write `out/index.csv` and the WAVs beside it.

    Adds to the scan's columns: original_path, the file that was converted; samples, lufs (ITU-R
    BS.1770, of the whole file; NaN below 0.4 s), rms (dBFS, without the mean), peak and digest, all
    of the converted file.

    Raises:
        PipelineError: names every file that is truncated, silent or holds NaN.
    """
    table = shard_of(read_manifest(scan), scatteritem)
    rows, problems, stereo, shifted, rates = [], [], 0, 0, Counter[int]()
    for row in tqdm(table.to_dict("records"), f"converting {scatteritem}", disable=None):
        name = row["utterance"] if "utterance" in row else row["noise"]
        target = out / row["split"] / f"{name}.wav"
        try:
            facts = convert(Path(row["path"]), target, sample_rate)
        except PipelineError as error:
            problems.append(str(error))
            continue
        stereo += facts.pop("channels") > 1
        rates[int(facts.pop("sample_rate"))] += 1
        shifted += facts.pop("offset")
        rows.append(row | facts | {"original_path": row["path"], "path": target})
    if problems:
        raise PipelineError(first_few(problems))
    if stereo:
        logging.warning("%d files have several channels; their first channel is used", stereo)
    if shifted:
        logging.warning("%d files have a constant offset; it is removed", shifted)
    _log_rates(rates, sample_rate)
    write_manifest(out / "index.csv", pd.DataFrame(rows, columns=_columns(table)))


def convert(source: Path, target: Path, sample_rate: int) -> dict[str, Any]:
    """Convert one file to 16-bit mono WAV at `sample_rate` Hz; return its facts.

    A constant offset is removed where it is above -45 dBFS or adds more than 0.1 dB to the level;
    files without one stay the same to the bit.

    Raises:
        PipelineError: the file is unreadable, silent or holds NaN.
    """
    recorded, header = audio.read_with_info(source)
    # Before resampling, which rings at the ends of an offset: the ringing would count as sound.
    centred = without_offset(recorded, OFFSET)
    samples = audio.resample(centred, header.sample_rate, sample_rate)
    if _is_silent(centred) or _is_silent(samples):
        raise PipelineError(f"{source}: {_silence(source, header.channels)}")
    peak = float(abs(samples).max())
    if not np.isfinite(peak):
        raise PipelineError(f"{source}: holds samples beyond any level; mend or remove the file")
    if peak > 1:  # resampling overshoots full-scale waves, also those that had an offset
        samples /= peak
    return {
        "digest": audio.write(target, samples, sample_rate),
        "samples": len(samples),
        "lufs": loudness(samples, sample_rate),
        "rms": float(10 * np.log10(power(samples))),
        "peak": min(peak, 1.0),
        "channels": header.channels,
        "sample_rate": header.sample_rate,
        "offset": centred is not recorded,
    }


def _is_silent(samples: audio.Samples) -> bool:
    """Whether `[time]` stays within `SILENCE` of its mean."""
    mean = samples.mean(dtype=np.float64)
    return bool(max(samples.max() - mean, mean - samples.min()) < SILENCE)


def _silence(source: Path, channels: int) -> str:
    """The advice for a file whose first channel is silent; another channel may not be."""
    swings = audio.channel_swings(source) if channels > 1 else []
    loud = [str(k) for k, swing in enumerate(swings, 1) if swing >= SILENCE]
    if not loud:
        return "is silent (below -80 dBFS); remove it from the corpus"
    others = f"channel {loud[0]} is" if len(loud) == 1 else f"channels {', '.join(loud)} are"
    return (
        f"channel 1 is silent (below -80 dBFS), {others} not; replace the file with one of"
        f" channel {loud[0]} alone, or remove it from the corpus"
    )


def _log_rates(files: Counter[int], sample_rate: int) -> None:
    """Log how many files had another rate; a lower one leaves the upper band empty."""
    for rate, count in sorted(files.items()):
        if rate > sample_rate:
            logging.info("%d files are resampled from %d to %d Hz", count, rate, sample_rate)
        elif rate < sample_rate:
            logging.warning(
                "%d files are resampled from %d to %d Hz; they hold nothing above %d Hz",
                count,
                rate,
                sample_rate,
                rate // 2,
            )


def _columns(table: pd.DataFrame) -> list[str]:
    facts = ["original_path", "samples", "lufs", "rms", "peak", "digest"]
    return [*table.columns, *facts]
