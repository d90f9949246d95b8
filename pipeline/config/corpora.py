"""The section `corpora`: where speech and noise come from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.paths import Folders, UserPath
from pipeline.config.section import SPLITS, Amount, Counts, Distinct, Section


class DemoCorpus(Section):
    """The embedded corpus: how many synthetic speakers, utterances and noises to make."""

    speakers: Counts = Counts(train=40, dev=10, test=12)
    utterances_per_speaker: Amount = 6
    noises: Counts = Counts(train=24, dev=8, test=8)
    noise_seconds: float = Field(default=12.0, ge=1, le=3600)


class Subsets(Section):
    """Subset folders below the roots of speech for each split."""

    train: Annotated[list[str], Distinct] = Field(min_length=1)
    dev: Annotated[list[str], Distinct] = Field(min_length=1)
    test: Annotated[list[str], Distinct] = Field(min_length=1)


class LocalCorpus(Section):
    """Corpora already on disk: roots in the layout of LibriSpeech, and of the WHAM! noise."""

    speech: Folders
    noise: Folders
    subsets: Subsets = Subsets(
        train=["train-clean-100", "train-clean-360"], dev=["dev-clean"], test=["test-clean"]
    )


class SpeechDownload(Section):
    """Parts of LibriSpeech to fetch: all of them, or the first speakers and utterances.

    `max_speakers` is of each subset, `max_utterances` of each speaker.
    """

    subsets: Subsets = Subsets(train=["train-clean-100"], dev=["dev-clean"], test=["test-clean"])
    max_speakers: Amount | None = None
    max_utterances: Amount | None = None


class NoiseDownload(Section):
    """The corpus of noise to fetch: all of it, or `max_files` drawn recordings."""

    corpus: str = "wham_noise"
    max_files: int | None = Field(default=None, ge=len(SPLITS), le=100_000_000)


class DownloadCorpus(Section):
    """Corpora to fetch. `folder` keeps them, `catalogue` is a CSV of further addresses."""

    folder: UserPath = "data"
    catalogue: UserPath | None = None
    speech: SpeechDownload = SpeechDownload()
    noise: NoiseDownload = NoiseDownload()


class Corpora(Section):
    """Where speech and noise come from."""

    kind: Literal["demo", "local", "download"] = "demo"
    demo: DemoCorpus = DemoCorpus()
    local: LocalCorpus | None = None
    download: DownloadCorpus = DownloadCorpus()

    @model_validator(mode="after")
    def _local_given(self) -> "Corpora":
        if self.kind == "local" and self.local is None:
            raise ValueError("kind is local: give local.speech and local.noise, the corpus folders")
        return self
