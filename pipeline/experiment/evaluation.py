"""Inputs and parameters of the jobs that score."""

from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.experiment.inference import InferenceJobs
from pipeline.experiment.systems import Inputs, denoises, system_of
from pipeline.models.whisper import is_hub_name, made_by
from pipeline.tasks import DENOISE, TASKS
from pipeline.tasks.grammar import (
    UNPROCESSED,
    weights_of,
)

FETCHED_MODEL = "results/scores/asr/model"
"""The folder of a recogniser's model from the hub."""


class EvaluationJobs(InferenceJobs):
    """What decides scores."""

    def scoring_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the scores of a shard; the mixture itself has no estimates."""
        estimates = f"results/estimates/{system_of(wildcards).path}/test/estimates.csv"
        texts = f"results/scores/asr/reference/{wildcards.scatteritem}.csv"
        return {
            "mixtures": ["results/mixtures/test/mixtures.csv"],
            "estimates": [] if wildcards.name == UNPROCESSED else [estimates],
            "references": [texts] if wildcards.measure == "asr" else [],
            "model": self.fetched_model() if wildcards.measure == "asr" else [],
        }

    def sweep_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the scores of a shard with shares of the mixture added back."""
        system, split = system_of(wildcards), wildcards.split
        alone = denoises(system)
        denoised = f"results/estimates/{system.path}/{split}/estimates.csv"
        return {
            "mixtures": [f"results/mixtures/{split}/mixtures.csv"],
            "denoised": [denoised]
            if alone
            else self._denoised(system.tested, system.model.run, split),
            "weights": [] if alone else [weights_of(system.model)],
        }

    def measured(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide the values of one measure."""
        if system_of(wildcards) in self.preserving:
            return {"metrics": ["si_sdr"]}
        if wildcards.measure == "asr":
            return self.recogniser()
        settings = self.config.evaluation.settings_of(wildcards.measure)
        if wildcards.measure == "signal" and wildcards.task != DENOISE.name:
            settings["metrics"] = [name for name in settings["metrics"] if name != "snr"]
        return settings

    def scoring_threads(self, wildcards: Any) -> int:
        """Processes of one job. A measure with a model is opened once, and runs on one thread."""
        return self.config.machine.threads if wildcards.measure == "signal" else 1

    @cached_property
    def scored(self) -> list[str]:
        """Folders of score tables: every measure that fits a system's task."""
        preserved = [f"signal/{system.path}" for system in self.preserving]
        return preserved + [
            f"{measure}/{system.path}"
            for measure in self.config.evaluation.measures
            for system in self.scored_systems
            if measure in TASKS[system.model.task].measures
        ]

    def reference_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the texts that recognised speech is compared with."""
        speech = self.transcripts()
        return {"speech": speech, "model": [] if speech else self.fetched_model()}

    def reference_settings(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide these texts; none of a recogniser where they are transcripts."""
        return {} if self.transcripts() else self.recogniser()

    def recogniser(self) -> dict[str, Any]:
        """Settings of the recogniser, its version, and hashes of its weights."""
        settings = self.config.evaluation.settings_of("asr")
        asr = self.config.evaluation.asr
        if asr is None:
            return settings
        if self.fetched_model():
            return settings | {"model": FETCHED_MODEL, "made_by": made_by(asr.engine, None, False)}
        folder = Path(asr.own_model) if asr.own_model else None
        return settings | {"made_by": made_by(asr.engine, folder, asr.packaged)}

    def fetched_model(self) -> list[str]:
        """The folder of the model that recognises speech, where it is fetched."""
        asr = self.config.evaluation.asr
        if asr is None or asr.own_model is None or not asr.download:
            return []
        return [FETCHED_MODEL] if is_hub_name(asr.own_model) else []

    def transcripts(self) -> list[str]:
        """The corpus with its transcripts, where recognised speech is compared with these."""
        asr = self.config.evaluation.asr
        wanted = asr is not None and asr.reference == "transcript"
        return ["results/corpora/speech.csv"] if wanted else []
