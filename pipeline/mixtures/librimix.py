"""LibriMix's own mixtures: read its metadata as a plan, and render them as its script does."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import audio
from pipeline.base.errors import PipelineError, first_few
from pipeline.base.files import read_manifest
from pipeline.corpora.apart import root_in, with_root
from pipeline.corpora.names import below_split, composed, noise_name
from pipeline.mixtures.librimix_table import read_table
from pipeline.mixtures.names import Signal, mix, speed_named

RATE = 16000  # Hz of LibriSpeech and of LibriMix's noise, and of its gains and starts
SEAM = RATE // 2 + 1  # samples over which a short noise is cross-faded with its repeat
READERS = 4  # number of threads that read headers

Mode = Literal["min", "max"]
Utterances = dict[str, str]  # names in metadata to those of the corpus, both composed
Recordings = dict[tuple[str, str], str]  # (split, name) of a noise to its path


def read_metadata(
    csvs: list[Path], speech: Path, noise: Path, num_speakers: int, sample_rate: int, mode: Mode
) -> pd.DataFrame:
    """Read `libri<n>mix_<subset>.csv` files as a plan, one row per mixture, in their order.

    Columns: mixture_id; of each source `source_<k>_` utterance, speaker, sex, path, start and
    gain; noise, noise_source_path, noise_start, noise_speed and noise_gain; length, at
    `sample_rate`; `longest`, samples of the longest source's file, up to which LibriMix reads
    the noise. Paths are those of the corpora's 16 kHz files, and starts count their samples.

    Args:
        csvs: LibriMix's metadata, or the output of `write_metadata`.
        speech, noise: manifests of the scans, in which files are found by name.
        num_speakers: sources of a mixture.
        sample_rate: Hz of the mixtures.
        mode: `min` ends with the shortest source, `max` with the longest.

    Raises:
        PipelineError: the file is not such metadata, or has another number of speakers; a
            cell is not a finite number, or names a file that the corpora lack; a file is not at
            16 kHz; a noise begins after its end.
    """
    table = pd.concat([read_table(path, num_speakers) for path in csvs], ignore_index=True)
    spoken = read_manifest(speech)
    voices = spoken.set_index(spoken["utterance"].map(composed))
    scan = read_manifest(noise)
    utterances, recordings = _utterances(spoken), _recordings(scan)
    _check_present(csvs, table, utterances, recordings, num_speakers)
    plan = {"mixture_id": table["mixture_ID"]}
    for k in range(1, num_speakers + 1):
        found = [_utterance(path, utterances) for path in table[f"source_{k}_path"]]
        plan |= _source_columns(k, table, voices.loc[found])
    plan |= _noise_columns(table, recordings)
    on_disk = dict(zip(scan["path"], scan["noise"], strict=True))
    plan["noise"] = [on_disk[path] for path in plan["noise_source_path"]]
    sources = [plan[f"source_{k}_path"] for k in range(1, num_speakers + 1)]
    held = _lengths_of_files(chain(*sources, plan["noise_source_path"]))
    _check_starts(csvs, plan, held)
    samples = np.array([[held[path] for path in column] for column in sources])
    return pd.DataFrame(plan | _lengths(samples, sample_rate, mode))


def render_librimix(
    row: dict[str, Any], num_speakers: int, sample_rate: int, mode: Mode
) -> dict[str, Signal]:
    """Render one row of `read_metadata` exactly as LibriMix's script does.

    Only the part of each file that is used is read. As in the script, a noise shorter than the
    longest source is repeated in double precision and stays so; all other signals are 32-bit float.

    Returns:
        signals by LibriMix's names, each `[time]`: mix_both, mix_clean, mix_single, s1…, noise.
    """
    length, longest = int(row["length"]), int(row["longest"])
    needed = longest if mode == "max" else _samples_behind(length, sample_rate)
    parts = [_source(row, k, needed) for k in range(1, num_speakers + 1)]
    parts.append(_noise(row, min(needed, longest), longest) * float(row["noise_gain"]))
    *sources, noise = (_fit(_resample(part, sample_rate), length) for part in parts)
    return mix(sources, noise)


def repeat_noise(noise: Signal, length: int) -> Signal:
    """Repeat a recording `[time]` up to `length` samples, with cross-fades between the repeats.

    The end e and the start s become e · w[::-1] + s · w, where w is the rising half of a Hann
    window of one second. LibriMix's script fails on recordings below half a second; here the
    fades of such a recording take half of it.
    """
    seam = SEAM if len(noise) > SEAM else len(noise) // 2
    rise = np.hanning(2 * seam - 1)[:seam]
    whole: Signal = noise
    while len(whole) < length:
        end = len(whole) - seam
        faded = whole[end:] * rise[::-1] + noise[:seam] * rise
        whole = np.concatenate([whole[:end], faded, noise[seam:]])
    return whole[:length]


def _check_present(
    csvs: list[Path],
    table: pd.DataFrame,
    utterances: Utterances,
    recordings: Recordings,
    num_speakers: int,
) -> None:
    """Refuse metadata that names a mixture twice, or files that the corpora lack."""
    named = ", ".join(map(str, csvs))
    double = table["mixture_ID"][table["mixture_ID"].duplicated()]
    if len(double):
        raise PipelineError(f"{named}: mixture {double.iloc[0]} stands twice; keep one of them")
    spoken = pd.concat([table[f"source_{k}_path"] for k in range(1, num_speakers + 1)]).unique()
    missing = [path for path in spoken if _utterance(path, utterances) is None]
    missing += [p for p in table["noise_path"].unique() if _find_noise(p, recordings) is None]
    if missing:
        raise PipelineError(
            f"{named}: {len(missing)} files are not in the corpora: {first_few(missing)};"
            " add their subsets under corpora: or take others in mixtures.librimix.subsets"
        )


def _source_columns(k: int, table: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    source = {fact: facts[fact].to_numpy() for fact in ("utterance", "speaker", "sex", "path")}
    source |= {"start": 0, "gain": table[f"source_{k}_gain"]}
    return {f"source_{k}_{fact}": values for fact, values in source.items()}


def _noise_columns(table: pd.DataFrame, recordings: Recordings) -> dict[str, Any]:
    found = [_find_noise(path, recordings) for path in table["noise_path"]]
    keys, speeds = zip(*(f for f in found if f), strict=True)
    # A start counts samples of the noise at that speed, which may be another file here.
    moved = (table["noise_start"] * np.array(speeds) / table["noise_speed"]).round().astype(int)
    return {
        "noise_source_path": [recordings[key] for key in keys],
        "noise_start": moved,
        "noise_speed": speeds,
        "noise_gain": table["noise_gain"],
    }


def _utterances(scan: pd.DataFrame) -> Utterances:
    """Return the names by which metadata may refer to each utterance.

    An utterance with its root in its name may also be called by its plain name, with its subset in
    front or alone; where several have that name, it is the one of the first root.
    """
    found: Utterances = {}
    for row in scan[["utterance", "path"]][::-1].itertuples():
        if root_in(row.utterance, plain := Path(row.path).stem):
            plain, name = composed(plain), composed(row.utterance)
            subset = composed(Path(row.path).parts[-4])
            found |= {plain: name, f"{subset}/{plain}": name}
    return found | {name: name for name in scan["utterance"].map(composed)}


def _utterance(path: str, utterances: Utterances) -> str | None:
    """Name of the utterance at a path of the metadata, `[root/]subset/speaker/chapter/file`."""
    name, *above = (composed(part) for part in (Path(path).stem, *Path(path).parts[-5:-3]))
    whole = [with_root(name, above[0])] if len(above) > 1 else []
    meant = (*whole, f"{above[-1]}/{name}" if above else name, name)
    return next((utterances[key] for key in meant if key in utterances), None)


def _recordings(scan: pd.DataFrame) -> Recordings:
    """Noises by the names by which metadata may mean them, as in `_utterances`."""
    found: Recordings = {}
    for row in scan[["split", "noise", "path"]][::-1].itertuples():
        plain = noise_name(below_split(Path(row.path))[1])
        if root_in(row.noise, plain):
            found[row.split, composed(plain)] = row.path
    names = zip(scan["split"], scan["noise"].map(composed), strict=True)
    return found | dict(zip(names, scan["path"], strict=True))


def _find_noise(path: str, recordings: Recordings) -> tuple[tuple[str, str], float] | None:
    """Key of a noise among the recordings and the speed to play it at; the file itself first.

    The path is `[root/]{tr,cv,tt}/file`.
    """
    split, below = below_split(Path(path))
    above = Path(path).parts[: -len(below.parts) - 1]
    root, name = composed(above[-1] if above else ""), composed(noise_name(below))
    for recording, speed in ((name, 1.0), speed_named(name)):
        for meant in (with_root(recording, root), recording):
            if (split, meant) in recordings:
                return (split, meant), speed
    return None


def _lengths_of_files(paths: Iterable[str]) -> dict[str, int]:
    """Number of samples of each file, read from the headers."""
    each = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(each, pool.map(_samples, each), strict=True))


def _check_starts(csvs: list[Path], plan: dict[str, Any], held: dict[str, int]) -> None:
    """Refuse a noise that begins after its end, because it would be repeated up to its start."""
    for name, path, start in zip(
        plan["mixture_id"], plan["noise_source_path"], plan["noise_start"], strict=True
    ):
        if not 0 <= start < held[path]:
            raise PipelineError(
                f"{', '.join(map(str, csvs))}: mixture {name}: noise_start is after the end of"
                f" {path}; correct it or fetch it again"
            )


def _lengths(samples: NDArray[np.int64], sample_rate: int, mode: Mode) -> dict[str, Any]:
    """Length of each mixture, and of its longest source's file, from `[sources, mixtures]`."""
    decisive = samples.min(axis=0) if mode == "min" else samples.max(axis=0)
    return {"length": -(-decisive * sample_rate // RATE), "longest": samples.max(axis=0)}


def _samples(path: str) -> int:
    header = audio.info(path)
    if header.sample_rate != RATE:
        raise PipelineError(
            f"{path}: is at {header.sample_rate} Hz, LibriMix's gains are for {RATE} Hz;"
            " give the original file"
        )
    return header.samples


def _samples_behind(length: int, sample_rate: int) -> int:
    """Number of samples at 16 kHz that determine the first `length` samples at `sample_rate`."""
    if sample_rate == RATE:
        return length
    return length * RATE // sample_rate + len(_low_pass(RATE // sample_rate)) // 2


def _source(row: dict[str, Any], k: int, samples: int) -> Signal:
    path, start = row[f"source_{k}_path"], int(row[f"source_{k}_start"])
    return audio.read_at(path, RATE, start, samples, exact=False) * float(row[f"source_{k}_gain"])


def _noise(row: dict[str, Any], samples: int, longest: int) -> Signal:
    """The first `samples` of LibriMix's noise for a mixture whose longest file is `longest`."""
    path, start, speed = row["noise_source_path"], int(row["noise_start"]), row["noise_speed"]
    begin, end = (int(place / speed + 0.5) for place in (start, audio.info(path).samples))
    if end - begin >= longest:
        return _at_speed(path, speed, start, samples)
    return repeat_noise(_at_speed(path, speed), begin + longest)[begin:][:samples]


def _at_speed(path: str, speed: float, start: int = 0, samples: int | None = None) -> Signal:
    """A recording at some speed, as read from the 16-bit file that LibriMix makes of it."""
    if speed == 1:
        return audio.read_at(path, RATE, start, -1 if samples is None else samples)
    margin = RATE // 10  # longer than the look-ahead of the resampler
    wanted = -1 if samples is None else int(samples * speed) + margin
    played = audio.change_speed(audio.read_at(path, RATE, start, wanted, exact=False), speed)
    return audio.to_16_bit(played[:samples]).astype(np.float32) / 2**15


def _resample(samples: Signal, sample_rate: int) -> Signal:
    """Resample `[time]` from 16 kHz with scipy's polyphase filter, which LibriMix's script uses."""
    if sample_rate == RATE:
        return samples
    from scipy import signal  # takes a second, and reading or writing metadata does not need it

    window = _low_pass(RATE // sample_rate).astype(samples.dtype)
    return signal.resample_poly(samples, sample_rate, RATE, window=window)


@lru_cache
def _low_pass(down: int) -> Signal:
    """The filter that `scipy.signal.resample_poly` would otherwise design for every signal."""
    from scipy import signal

    return signal.firwin(20 * down + 1, 1 / down, window=("kaiser", 5.0))


def _fit(samples: Signal, length: int) -> Signal:
    missing = length - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples[:length]
