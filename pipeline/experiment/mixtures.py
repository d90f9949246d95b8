"""Parameters of the jobs that make corpora and mixtures."""

from functools import cached_property
from typing import Any

from pipeline.config import SPLITS, Split
from pipeline.corpora.catalogue import librimix_parts
from pipeline.experiment.systems import Systems


class MixtureJobs(Systems):
    """What decides corpora and mixtures."""

    @cached_property
    def converted(self) -> list[str]:
        """Corpora that are needed at the workflow's rate.

        Not those of LibriMix's metadata, which is read from the files as they lie.
        """
        drawn = self.config.mixtures.kind != "librimix"
        return ["speech", "noise"] if drawn or any(map(self.is_dynamic, self.models)) else []

    @cached_property
    def rendered(self) -> list[Split]:
        """Splits that are needed: not a train split that no model is trained on."""
        needed = any(map(self.is_rendered, self.models))
        return [split for split in SPLITS if split != "train" or needed]

    def drawing(self, split: Split) -> dict[str, Any]:
        """Settings that decide the draws of one split: not other splits, nor unused keys."""
        given = self.config.mixtures
        unused = {
            "counts": given.hours is not None,
            "speech_lufs": given.speech_rms is not None,
            "noise_speeds": split != "train",
            "noise_snr": given.noise_rule != "wham" or given.noise_snr_levels,
            "noise_snr_levels": given.noise_rule != "wham",
            "noise_lufs": given.noise_rule != "librimix",
            "babble": not given.babble,
            "babble_voices": not given.babble,
        }
        left_out = {"kind", "librimix", "conversation", "mix_single"}
        left_out |= {key for key, value in unused.items() if value}
        settings = given.model_dump(mode="json", exclude=left_out)
        for amounts in filter(None, map(settings.get, ("counts", "hours"))):
            amounts |= dict.fromkeys(amounts, amounts[split])
        return settings

    def planning(self, split: Split) -> dict[str, Any]:
        """Settings that decide the plan of one split: `drawing`, and those of conversations."""
        given = self.config.mixtures
        settings = self.drawing(split)
        if given.kind != "conversation":
            return settings
        for key in ("mode", "join_silence"):
            del settings[key]
        return settings | given.model_dump(mode="json", include={"kind", "conversation"})

    def rendering(self) -> dict[str, Any]:
        """Settings that decide the audio of mixtures, drawn or of LibriMix's metadata."""
        given = self.config.mixtures
        keys = {"kind", "mix_single", "mode" if given.kind == "librimix" else "peak"}
        return given.model_dump(mode="json", include=keys)

    def librimix_given(self, split: Split) -> list[str]:
        """LibriMix's metadata of a split in the user's folder, if one is named."""
        given = self.config.mixtures.librimix
        if given.metadata is None:
            return []
        stem = f"{given.metadata}/libri{self.config.mixtures.most_speakers}mix"
        return [f"{stem}_{name}.csv" for name in getattr(given.subsets, split)]

    def librimix_fetched(self, split: Split) -> list[str]:
        """Lists of the metadata files of a split that are downloaded."""
        if self.config.mixtures.librimix.metadata is not None:
            return []
        parts = librimix_parts(self.config, split)
        return [f"results/corpora/download/{part}.csv" for part in parts]
