"""Where the speech and the noise of each kind of corpus lie."""

from pathlib import Path

from pipeline.config import SPLITS, Corpora, Split

NOISE_FOLDERS: dict[Split, str] = {"train": "tr", "dev": "cv", "test": "tt"}
DEMO_SUBSETS: dict[Split, list[str]] = {
    "train": ["train-demo"],
    "dev": ["dev-demo"],
    "test": ["test-demo"],
}


def corpus_roots(corpora: Corpora, demo: Path) -> tuple[Path, Path, dict[Split, list[str]]]:
    """Root of the speech, root of the noise, and the speech's subsets of each split.

    Args:
        corpora: the section of the configuration.
        demo: where the embedded corpus is made.
    """
    if corpora.local is None or corpora.kind == "demo":
        return demo / "LibriSpeech", demo / "wham_noise", DEMO_SUBSETS
    local = corpora.local
    subsets = {split: getattr(local.subsets, split) for split in SPLITS}
    return Path(local.speech), Path(local.noise), subsets
