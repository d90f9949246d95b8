"""A network over recordings: each alone and timed, or many at once."""

import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.config import Inference, Machine, load_config
from pipeline.inference.chunks import Piece, Recording, cut
from pipeline.inference.estimator import Estimator, load_estimator
from pipeline.inference.loop import Loop, Passed
from pipeline.models.devices import compile_networks, describe, open_device

ON_A_GPU = 16  # pieces at once, where the configuration does not say


@dataclass(frozen=True)
class Setting:
    """How inference runs: rate in Hz, two sections of the configuration, whether it is timed.

    What is timed goes through alone, one mixture after another. The share `dry` of its input is
    added to what a denoiser returns. Outputs that are `inactive_below` dB or more below the loudest
    one have no speaker (`pipeline.inference.activity`); None where all outputs have one.
    """

    sample_rate: int
    machine: Machine
    inference: Inference
    timed: bool = True
    dry: float = 0.0
    inactive_below: float | None = None

    def batch_size(self, device: torch.device) -> int:
        """Pieces that go through at once."""
        if self.timed:
            return 1
        return self.inference.batch_size or (ON_A_GPU if device.type == "cuda" else 1)


def setting_of(config: dict[str, Any], params: Any) -> Setting:
    """The setting of a job: the machine of its configuration, all else from its rule's params."""
    given = dict(params.inference)
    dry, inactive = given.pop("dry", 0.0), given.pop("inactive", None)
    machine = load_config(config).machine
    rate, timed = params.sample_rate, params.timed
    return Setting(rate, machine, Inference(**given), timed, dry, inactive)


class Applied(NamedTuple):
    """What a pass over recordings was: times, digests of what was written, and where it ran.

    Attributes:
        passed: batches with their times.
        digests: of the estimates of each recording, by its `mixture_id`.
        seconds: of the whole loop.
        facts: device, threads, precision and batch size.
    """

    passed: list[Passed]
    digests: dict[str, str]
    seconds: float
    facts: dict[str, Any]


def load_model(
    weights: Path, num_sources: int, setting: Setting, denoiser: Path | None = None
) -> Estimator:
    """The network of a weights file on the device of a setting, with a denoiser behind it or none.

    Raises:
        PipelineError: the file is damaged, or for another number of sources or sample rate.
    """
    device = open_device(setting.machine)
    rate, precision = setting.sample_rate, setting.inference.precision
    estimator = load_estimator(weights, num_sources, rate, device, precision, setting.dry, denoiser)
    if device.type == "cuda":  # a CPU's own way through the networks is faster
        compile_networks(setting.machine, device, estimator.network, dynamic=True)
    return estimator


def apply(
    model: Estimator, recordings: list[Recording], setting: Setting, title: str = ""
) -> Applied:
    """Run a loaded model over recordings, and write the estimates to their targets.

    Memory does not grow with the length of a recording, nor with their number.

    Args:
        model: of `load_model`.
        recordings: files of the setting's sample rate, and where their estimates go.
        setting: how it runs.
        title: of the progress bar.

    Raises:
        PipelineError: a file cannot be read, or the network returns NaN for it.
    """
    groups = batches(recordings, setting, model)
    loop = Loop(model, setting.sample_rate, setting.timed, setting.inference.tracking)
    if setting.timed and groups:
        loop.warm_up(groups[0], setting.inference.warmup)
    began = time.perf_counter()
    passed = loop.run(groups, title)
    seconds = time.perf_counter() - began
    facts = {"device": describe(model.device), "threads": setting.machine.threads}
    facts |= {"precision": model.precision, "batch_size": setting.batch_size(model.device)}
    return Applied(passed, loop.digests, seconds, facts)


def batches(recordings: list[Recording], setting: Setting, model: Estimator) -> list[list[Piece]]:
    """Pieces to run at once, of like length: the longest first, to meet want of memory early.

    Of one length, where padding would change the estimates.
    """
    if not setting.timed:
        recordings = sorted(recordings, key=lambda recording: -recording.samples)
    longest = round(setting.inference.max_seconds * setting.sample_rate)
    overlap = round(setting.inference.overlap_seconds * setting.sample_rate)
    pieces = [piece for each in recordings for piece in cut(each, longest, overlap)]
    size = setting.batch_size(model.device)
    if model.exact_padding:
        return _in_turn(pieces, size)
    return [
        batch
        for _, alike in groupby(pieces, lambda piece: piece.samples)
        for batch in _in_turn(list(alike), size)
    ]


def _in_turn(pieces: list[Piece], size: int) -> list[list[Piece]]:
    return [pieces[start : start + size] for start in range(0, len(pieces), size)]
