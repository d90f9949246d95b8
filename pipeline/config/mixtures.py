"""The section `mixtures`: how mixtures are made."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.corpora import Subsets
from pipeline.config.paths import InputPath
from pipeline.config.section import (
    Counts,
    Decibels,
    Distinct,
    PieceSeconds,
    Range,
    Seconds,
    Section,
    SpeakerCounts,
    Speed,
    Turns,
    VoiceCounts,
)

HoursOfSplit = Annotated[float, Field(gt=0, le=100_000)]


class Hours(Section):
    """Hours of mixtures for each split."""

    train: HoursOfSplit
    dev: HoursOfSplit
    test: HoursOfSplit


class LibriMix(Section):
    """LibriMix's metadata: the folder of `libri<n>mix_<subset>.csv`; without it, fetched."""

    metadata: InputPath | None = None
    subsets: Subsets = Subsets(train=["train-clean-100"], dev=["dev-clean"], test=["test-clean"])


class Conversation(Section):
    """Speakers who take turns: length, ranges of turns and of pauses in seconds, share of overlap.

    An utterance is cut at the length drawn for its turn. `overlap` is the share of the time with
    speech in which two speak at once.
    """

    seconds: Seconds = 600.0
    turn_seconds: Turns = (2.0, 12.0)
    pause_seconds: Turns = (1.0, 4.0)
    overlap: float = Field(default=0.2, ge=0, le=0.4)


class Mixtures(Section):
    """How mixtures are made. Levels in LUFS or dBFS, SNR in dB, lengths in seconds, peak of 1.0.

    `kind: drawn` draws mixtures, `kind: librimix` uses LibriMix's own, and `kind: conversation`
    draws conversations. The keys below `conversation` do not apply to LibriMix's own, and
    `noise_speeds` to the train split only. In a share `babble`
    of the mixtures the noise is no recording, but a number of voices of the train split at once,
    drawn from the range `babble_voices`. With several numbers of speakers the mixtures of a split
    take turns: mixture i has the number at place i modulo the length of the list.
    """

    kind: Literal["drawn", "librimix", "conversation"] = "drawn"
    num_speakers: SpeakerCounts = 3
    mode: Literal["min", "max"] = "min"
    mix_single: bool = False
    librimix: LibriMix = LibriMix()
    conversation: Conversation = Conversation()
    counts: Counts = Counts(train=400, dev=40, test=40)
    hours: Hours | None = None
    min_seconds: PieceSeconds = 3.0
    join_silence: float | None = Field(default=None, ge=0, le=60)
    speech_lufs: Range = (-33.0, -25.0)
    speech_rms: Range | None = None
    exclude_noises: list[str] = Field(default=[])
    babble: float = Field(default=0.0, ge=0, le=1)
    babble_voices: VoiceCounts = (3, 30)
    noise_speeds: Annotated[list[Speed], Distinct] = Field(default=[1.0], min_length=1)
    noise_rule: Literal["wham", "librimix"] = "wham"
    noise_snr: Range = (-6.0, 3.0)
    noise_snr_levels: list[Decibels] | None = Field(default=None, min_length=1)
    noise_lufs: Range = (-38.0, -30.0)
    peak: float = Field(default=0.9, ge=0.001, le=1)

    @property
    def speaker_counts(self) -> list[int]:
        """The numbers of speakers of mixtures, in the order of their turns."""
        given = self.num_speakers
        return given if isinstance(given, list) else [given]

    @property
    def most_speakers(self) -> int:
        """The largest number of speakers of a mixture, and so the outputs of a separator."""
        return max(self.speaker_counts)

    @property
    def speakers_vary(self) -> bool:
        """Whether mixtures differ in their number of speakers."""
        return len(self.speaker_counts) > 1

    def of_item(self, i: int) -> "Mixtures":
        """The settings of mixture i of a split, or of an epoch, with its own number of speakers."""
        if not self.speakers_vary:
            return self
        counts = self.speaker_counts
        return self.model_copy(update={"num_speakers": counts[i % len(counts)]})

    @model_validator(mode="after")
    def _metadata_has_one_number(self) -> "Mixtures":
        if self.kind == "librimix" and self.speakers_vary:
            raise ValueError(
                "num_speakers: LibriMix's mixtures have one number of speakers; name one, or set"
                " kind to drawn"
            )
        return self

    @model_validator(mode="after")
    def _babble_has_a_level(self) -> "Mixtures":
        if self.babble and self.noise_rule != "wham":
            raise ValueError("babble: has no loudness before it is mixed; set noise_rule to wham")
        return self

    @model_validator(mode="after")
    def _everybody_has_a_turn(self) -> "Mixtures":
        given = self.conversation
        needed = self.most_speakers * (given.turn_seconds[1] + given.pause_seconds[1])
        if self.kind == "conversation" and given.seconds < needed:
            raise ValueError(
                f"conversation.seconds: {given.seconds:g} is too short for a turn of each of"
                f" {self.most_speakers} speakers; raise it to {needed:g}, or lower turn_seconds"
            )
        return self
