"""Where the speech and the noise of each kind of corpus lie."""

from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Corpora, DownloadCorpus, Split
from pipeline.config.corpora import LocalCorpus
from pipeline.config.paths import placed
from pipeline.corpora.catalogue import load_catalogue, noise_part, speech_parts

AUDIO_SUFFIXES = {".flac", ".wav"}
NOISE_FOLDERS: dict[Split, str] = {"train": "tr", "dev": "cv", "test": "tt"}
Folders = dict[Split, list[Path]]


def corpus_roots(corpora: Corpora, demo: Path) -> tuple[Folders, Path]:
    """Folders of the speech of each split, and the root of the noise.

    Args:
        corpora: the section of the configuration.
        demo: where the embedded corpus is made.
    """
    if corpora.kind == "download":
        return _fetched(corpora.download)
    if corpora.local is None or corpora.kind == "demo":
        speech = demo / "LibriSpeech"
        return {split: [speech / f"{split}-demo"] for split in SPLITS}, demo / "wham_noise"
    local = corpora.local
    folders: Folders = {
        split: [Path(local.speech, subset) for subset in getattr(local.subsets, split)]
        for split in SPLITS
    }
    return folders, Path(local.noise)


def require_roots(local: LocalCorpus) -> None:
    """Look whether the folders of a corpus on disk are there.

    Raises:
        PipelineError: one is not; says where a relative one would begin.
    """
    for key, root in (("speech", local.speech), ("noise", local.noise)):
        if not Path(root).is_dir():
            raise PipelineError(
                f"corpora.local.{key}: {placed(root)}: no such folder; write the whole path of"
                " the corpus"
            )


def _fetched(settings: DownloadCorpus) -> tuple[Folders, Path]:
    catalogue = load_catalogue(settings.catalogue)
    parts = {part.part: part for part in speech_parts(settings, catalogue)}
    folders: Folders = {
        split: [
            parts[name].folder(settings.folder) for name in getattr(settings.speech.subsets, split)
        ]
        for split in SPLITS
    }
    return folders, noise_part(settings, catalogue).folder(settings.folder)
