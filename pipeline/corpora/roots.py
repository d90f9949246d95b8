"""Where the speech and the noise of each kind of corpus lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Corpora, DownloadCorpus, Split
from pipeline.config.corpora import LocalCorpus
from pipeline.config.corpora import Subsets as NamedSubsets
from pipeline.config.paths import placed
from pipeline.corpora.catalogue import load_catalogue, noise_part, speech_parts

AUDIO_SUFFIXES = {".flac", ".wav"}
NOISE_FOLDERS: dict[Split, str] = {"train": "tr", "dev": "cv", "test": "tt"}
Corpus = Literal["speech", "noise"]


class Subset(NamedTuple):
    """A folder of recordings below the root of a corpus."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where its recordings lie."""
        return self.root / self.name


Subsets = dict[Split, list[Subset]]
"""Of each split, every name of a subset in each root; not every root has them all."""


def corpus_subsets(corpora: Corpora, corpus: Corpus, demo: Path) -> Subsets:
    """Subsets of each split of a corpus; whether they are there is not looked at.

    Args:
        corpora: the section of the configuration.
        corpus: of speech or of noise.
        demo: where the embedded corpus is made.
    """
    if corpora.kind == "download":
        return _fetched(corpora.download, corpus)
    if corpora.local is None or corpora.kind == "demo":
        if corpus == "noise":
            return noise_subsets([demo / "wham_noise"])
        return {split: [Subset(demo / "LibriSpeech", f"{split}-demo")] for split in SPLITS}
    roots = [Path(root) for root in getattr(corpora.local, corpus)]
    if corpus == "noise":
        return noise_subsets(roots)
    return {
        split: [Subset(root, name) for name in names for root in roots]
        for split, names in _names(corpora.local.subsets)
    }


def noise_subsets(roots: list[Path]) -> Subsets:
    """The folders `tr`, `cv` and `tt` of each root of noise."""
    return {split: [Subset(root, NOISE_FOLDERS[split]) for root in roots] for split in SPLITS}


def roots_of(subsets: Subsets) -> list[Path]:
    """The roots in which a corpus lies, in the order of the configuration."""
    return list(dict.fromkeys(subset.root for split in SPLITS for subset in subsets[split]))


def require_roots(local: LocalCorpus) -> None:
    """Look whether the folders of a corpus on disk are there.

    Raises:
        PipelineError: one is not; says where a relative one would begin.
    """
    roots = [("speech", root) for root in local.speech] + [("noise", root) for root in local.noise]
    for key, root in roots:
        if not Path(root).is_dir():
            raise PipelineError(
                f"corpora.local.{key}: {placed(root)}: no such folder; write the whole path of"
                " the corpus"
            )


def _fetched(settings: DownloadCorpus, corpus: Corpus) -> Subsets:
    """All parts of speech have one root, so that a speaker of two parts is one speaker."""
    catalogue = load_catalogue(settings.catalogue)
    if corpus == "noise":
        return noise_subsets([noise_part(settings, catalogue).folder(settings.folder)])
    parts = {part.part: part for part in speech_parts(settings, catalogue)}
    return {
        split: [Subset(Path(settings.folder), parts[name].unpacks_to) for name in names]
        for split, names in _names(settings.speech.subsets)
    }


def _names(subsets: NamedSubsets) -> Iterator[tuple[Split, list[str]]]:
    return ((split, getattr(subsets, split)) for split in SPLITS)
