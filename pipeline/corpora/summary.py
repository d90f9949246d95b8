"""Estimate the transfers and the storage of a run with downloads, from its settings alone."""

from typing import NamedTuple

from pipeline.config import SPLITS, Config, DownloadCorpus, Split
from pipeline.corpora.catalogue import Part, load_catalogue, parts_in_use
from pipeline.fetch.remote import in_words

SWELLING = 1.1  # growth of a tar of FLAC when unpacked; LibriSpeech's grow by 6 %
SAMPLE_BYTES, ESTIMATE_BYTES = 2, 4
FOLDERS = 3  # folders of a split besides one per speaker: mix_clean, mix_both, noise
UTTERANCE = 12.0  # seconds, if the catalogue does not give them
# Length of a mixture over that of an utterance, from LibriMix's `Storage_info.txt` of Libri3Mix.
LENGTHS = {"min": 0.75, "max": 1.3}


class Amounts(NamedTuple):
    """Bytes to fetch, bytes on disk when unpacked, hours of audio; None if unknown."""

    fetch: float | None
    stored: float | None
    hours: float | None
    exact: bool  # whether `fetch` is the published size


def amounts(part: Part, settings: DownloadCorpus) -> Amounts:
    """Return the amounts that the selection of `settings` takes of a part."""
    read, kept = _shares(part, settings)
    whole = part.bytes or part.unpacked_bytes
    unpacked = part.unpacked_bytes or (part.bytes and part.bytes * _swelling(part))
    return Amounts(
        whole and whole * read,
        unpacked and unpacked * kept,
        part.hours and part.hours * kept,
        part.bytes is not None and read == 1,
    )


def describe(part: Part, settings: DownloadCorpus) -> str:
    """Describe in one line how much of a part is fetched and stored, and its licence."""
    found = amounts(part, settings)
    return (
        f"{part.part}: {_bytes(found.fetch, found.exact)} to fetch,"
        f" {_bytes(found.stored)} on disk; {part.credit}"
    )


def download_summary(cfg: Config, rendered: list[Split], estimates: dict[Split, int]) -> list[str]:
    """Return lines for the user: bytes to fetch and on disk after each stage, hours of mixtures.

    `~` marks an estimate. Files on disk are not checked.

    Args:
        cfg: the configuration.
        rendered: splits whose mixtures are stored on disk.
        estimates: number of signals that networks write for each mixture of a split.
    """
    settings = cfg.corpora.download
    catalogue = load_catalogue(settings.catalogue)
    parts = [catalogue[name] for name in parts_in_use(cfg)]
    return [
        f"corpora.kind is download: into {settings.folder}, what is there already excepted",
        *_table(_part_rows(cfg, parts)),
        *_later_lines(cfg, {split: _hours(cfg, split, catalogue) for split in rendered}, estimates),
    ]


def _part_rows(cfg: Config, parts: list[Part]) -> list[tuple[str, ...]]:
    found = [amounts(part, cfg.corpora.download) for part in parts]
    wavs = [_wav_bytes(one.hours, cfg.sample_rate) for one in found]
    rows = [
        (part.part, _bytes(one.fetch, one.exact), _bytes(one.stored), _bytes(wav), part.licence)
        for part, one, wav in zip(parts, found, wavs, strict=True)
    ]
    totals = (
        "in all",
        _sum([one.fetch for one in found], all(one.exact for one in found)),
        _sum([one.stored for one in found]),
        _sum(wavs),
        "",
    )
    head = ("part", "to fetch", "on disk", f"WAV at {cfg.sample_rate // 1000} kHz", "licence")
    return [head, *rows, totals]


def _later_lines(cfg: Config, hours: dict[Split, float], estimates: dict[Split, int]) -> list[str]:
    """What the later stages store on disk, from the hours of rendered mixtures."""
    splits = ", ".join(
        f"{split} ~{hours[split]:.1f} h" if split in hours else f"{split}: not rendered"
        for split in SPLITS
    )
    total = sum(hours.values())
    estimated = sum(hours[split] * count for split, count in estimates.items())
    estimate_bytes = estimated * 3600 * cfg.sample_rate * ESTIMATE_BYTES
    return [
        f"mixtures: ~{total:.1f} h ({splits}), {_bytes(_mixture_bytes(cfg, total))} on disk",
        f"estimates: {_bytes(estimate_bytes)} on disk",
    ]


def _hours(cfg: Config, split: Split, catalogue: dict[str, Part]) -> float:
    """Estimated hours of mixtures of a split."""
    if cfg.mixtures.kind != "librimix" and cfg.mixtures.hours is not None:
        return getattr(cfg.mixtures.hours, split)
    if cfg.mixtures.kind == "conversation":
        return getattr(cfg.mixtures.counts, split) * cfg.mixtures.conversation.seconds / 3600
    names = getattr(cfg.corpora.download.speech.subsets, split)
    seconds = _utterance_seconds([catalogue[name] for name in names])
    return _count(cfg, split, catalogue) * seconds * LENGTHS[cfg.mixtures.mode] / 3600


def _shares(part: Part, settings: DownloadCorpus) -> tuple[float, float]:
    """Fractions of the whole part that are read and that are kept."""
    if part.kind == "noise":
        share = min(1.0, (settings.noise.max_files or part.files or 1) / (part.files or 1))
        return share, share
    if part.kind == "librimix":
        return 1.0, 1.0
    speakers, utterances = settings.speech.max_speakers, settings.speech.max_utterances
    read = min(1.0, speakers / part.speakers) if speakers and part.speakers else 1.0
    if utterances and part.speakers and part.files:
        return read, read * min(1.0, utterances * part.speakers / part.files)
    return read, read


def _swelling(part: Part) -> float:
    return SWELLING if part.format == "tar" else 1.0


def _utterance_seconds(parts: list[Part]) -> float:
    known = [(part.hours, part.files) for part in parts if part.hours and part.files]
    files = sum(files for _, files in known)
    return 3600 * sum(hours for hours, _ in known) / files if files else UTTERANCE


def _count(cfg: Config, split: Split, catalogue: dict[str, Part]) -> int:
    """Number of mixtures of a split: drawn ones, or those of LibriMix's metadata."""
    if cfg.mixtures.kind != "librimix":
        return getattr(cfg.mixtures.counts, split)
    names = [
        f"libri{cfg.mixtures.most_speakers}mix_{subset}"
        for subset in getattr(cfg.mixtures.librimix.subsets, split)
    ]
    return sum(catalogue[name].files or 0 for name in names if name in catalogue)


def _mixture_bytes(cfg: Config, hours: float) -> float:
    folders = cfg.mixtures.most_speakers + FOLDERS + cfg.mixtures.mix_single
    return folders * hours * 3600 * cfg.sample_rate * SAMPLE_BYTES


def _wav_bytes(hours: float | None, sample_rate: int) -> float | None:
    return None if hours is None else hours * 3600 * sample_rate * SAMPLE_BYTES


def _sum(values: list[float | None], exact: bool = False) -> str:
    """The sum of the known values, in words."""
    known = [value for value in values if value is not None]
    return _bytes(sum(known), exact) + (" and more" if len(known) < len(values) else "")


def _bytes(amount: float | None, exact: bool = False) -> str:
    return "unknown" if amount is None else ("" if exact else "~") + in_words(amount)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
