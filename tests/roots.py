"""Two corpora side by side that have the same names in them, of other sound."""

from pathlib import Path

import pandas as pd

from pipeline.base.files import read_manifest
from pipeline.config import Corpora
from pipeline.corpora.roots import corpus_subsets
from pipeline.corpora.scan import scan_noise, scan_speech


class Roots:
    """`one`, the corpus of the fixture, and `other`, in the folders `Mine` and `my_noise`."""

    def __init__(self, corpus, folder: Path, speakers: int = 2) -> None:
        self.folder, self.one, self.other = folder, corpus, type(corpus)(folder / "other")
        self.other.speech, self.other.noise = (folder / f"other/{n}" for n in ("Mine", "my_noise"))
        self.other.seeds = iter(range(5000, 6000))
        self.listed, self.subsets = [self.one, self.other], corpus.subsets
        for each in self.listed:
            each.fill(speakers, utterances=1)

    @property
    def corpora(self) -> Corpora:
        """The section of the configuration."""
        folders = {
            kind: [str(getattr(each, kind)) for each in self.listed] for kind in ("speech", "noise")
        }
        return Corpora(kind="local", local=folders | {"subsets": self.subsets})

    def scan(self, kind: str = "speech") -> pd.DataFrame:
        """The manifest of a scan, `scan/<kind>.csv`."""
        out, subsets = self.folder / f"scan/{kind}.csv", corpus_subsets(self.corpora, kind, None)
        if kind == "speech":
            scan_speech(subsets, 2, out)
        else:
            scan_noise(subsets, out)
        return read_manifest(out)
