"""The inputs and the settings of the scan of a corpus."""

from typing import Any

from pipeline.config import Config
from pipeline.corpora.catalogue import load_catalogue, noise_part, speech_parts
from pipeline.corpora.roots import Corpus

UNUSED = {"speech": {"noise"}, "noise": {"speech", "subsets"}}  # keys of the other corpus


def sources_of(cfg: Config, corpus: Corpus) -> list[str]:
    """Return the outputs that must exist before the files of a corpus can be listed."""
    if cfg.corpora.kind == "demo":
        return ["results/corpora/demo"]
    if cfg.corpora.kind == "local":
        return []
    settings = cfg.corpora.download
    catalogue = load_catalogue(settings.catalogue)
    speech = corpus == "speech"
    parts = speech_parts(settings, catalogue) if speech else [noise_part(settings, catalogue)]
    return [f"results/corpora/download/{part.part}.csv" for part in parts]


def scan_settings(cfg: Config, corpus: Corpus, found: str | None) -> dict[str, Any]:
    """Return the settings that determine which files a scan lists.

    Args:
        cfg: the configuration.
        corpus: of speech or of noise.
        found: the state of the corpus on disk, as `look_at` returns it.
    """
    kind = cfg.corpora.kind
    given = cfg.corpora.model_dump(mode="json")[kind]
    unused = set[str]() if kind == "demo" else UNUSED[corpus]
    # The name of a catalogue does not matter: its rows do, in the rule `download`.
    settings = {key: value for key, value in given.items() if key not in unused | {"catalogue"}}
    return {"kind": kind, "settings": settings, "found": found}
