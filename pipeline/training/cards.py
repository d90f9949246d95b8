"""What weights files say of their trainings."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.config import Training
from pipeline.models import build, entry_of, parse_arguments
from pipeline.models.card import Card, read_card
from pipeline.models.cost import multiply_adds
from pipeline.models.weights import load_network, save_weights
from pipeline.tasks.grammar import NOISY, Condition
from pipeline.training.callbacks import HISTORY, History
from pipeline.training.data import Examples
from pipeline.training.dynamic import Fresh
from pipeline.training.job import Job, recipe


def card_of(
    job: Job,
    examples: Examples | Fresh,
    curve: History,
    size: dict[str, float],
    items: int,
    device: str,
    devices: int,
) -> Card:
    """What the weights file of a finished training says of it."""
    best, last = curve.best, curve.rows[-1]
    assert best is not None  # else the training has been refused
    settings = recipe(job)
    name = str(settings.monitor)
    logging.info("best epoch %d: %s %.2f", best["epoch"], name, best[name])
    facts = {
        "task": job.task,
        "condition": job.condition,
        "settings": job.training,
        "loss": settings.loss,
        "init_from": job.init_from,
        "mixtures": job.mixtures,
        **({"speakers": counts} if len(counts := examples.speaker_counts) > 1 else {}),
        "seed": job.seed,
        **size,
        "best": best,
        "steps": last["step"],
        **_audio_seconds(job, examples, items, int(last["step"])),
        "seconds": last["seconds"],
        "resumed_at": curve.resumed_at,
        "skipped_steps": last["skipped_steps"],
        "device": device,
        "devices": devices,
        "threads": torch.get_num_threads(),
    }
    return _card(job, examples, facts)


def _card(job: Job, examples: Examples | Fresh, facts: dict[str, Any]) -> Card:
    arguments = parse_arguments(job.model, job.arguments).model_dump()
    sources, rate = examples.num_sources, examples.sample_rate
    return Card(job.model, arguments, sources, rate, facts, job.noise_output)


def _audio_seconds(
    job: Job, examples: Examples | Fresh, items: int, steps: int
) -> dict[str, float]:
    """Seconds of audio that the steps went through, and that a denoiser made for them.

    The last batch of an epoch of `items` may be smaller. Rendered mixtures are denoised once,
    fresh ones in every step. Dev is in neither.
    """
    training = Training(**job.training)
    epochs, rest = divmod(steps, -(-items // training.batch_size))
    passes = epochs * items + min(rest * training.batch_size, items)
    seconds = passes * training.segment_seconds
    denoised = 0.0
    if Condition.parse(job.condition).kind == "denoised":
        denoised = seconds if isinstance(examples, Fresh) else examples.seconds
    return {"audio_seconds": seconds, "denoised_seconds": denoised}


def parameters_of(network: nn.Module) -> int:
    """The number of all trainable and fixed parameters."""
    return sum(p.numel() for p in network.parameters())


def take_published(
    job: Job,
    examples: Examples | Fresh,
    weights: Path,
    history: Path,
    licences: Sequence[str],
) -> None:
    """Write the weights with which a published network is built, and a history without epochs.

    The card of a network of an installed package tells which one that is.
    """
    network = build(job.model, job.arguments, examples.num_sources, examples.sample_rate)
    logging.info("%s: is published, and so its weights are taken as they are", job.model)
    facts = {
        "task": job.task,
        "published": True,
        "licences": list(licences),
        **size_of(job, network, examples),
    }
    if package := entry_of(job.model).package:
        facts["package"] = package.facts()
    save_weights(weights, network, _card(job, examples, facts))
    write_manifest(history, pd.DataFrame(columns=HISTORY))


def take_trained(job: Job, examples: Examples | Fresh, weights: Path, history: Path) -> None:
    """Write the weights of a trained network with their card, and a history without epochs.

    The card says that they are published: what their training cost is that of another run.

    Raises:
        PipelineError: it is for another task, condition, number of sources, or sample rate.
    """
    entry = entry_of(job.model)
    assert entry.file is not None  # else it is trained, or built with its weights
    source = entry.file(parse_arguments(job.model, job.arguments))
    network = load_network(source, examples.num_sources, examples.sample_rate)
    card = read_card(source)
    if (task := card.training.get("task")) != job.task:
        raise PipelineError(f"{source}: is for the task {task}; use weights for {job.task}")
    condition = str(card.training.get("condition", NOISY))
    if Condition.parse(condition).kind != Condition.parse(job.condition).kind:
        raise PipelineError(
            f"{source}: was trained on {condition} mixtures; set its conditions to [{condition}]"
        )
    logging.info("%s is taken as it is", source)
    save_weights(weights, network, replace(card, training=card.training | {"published": True}))
    write_manifest(history, pd.DataFrame(columns=HISTORY))


def size_of(job: Job, network: nn.Module, examples: Examples | Fresh) -> dict[str, float]:
    """Parameters of a network, and its multiply-adds for a second of audio."""
    package = entry_of(job.model).package
    parameters = parameters_of(network) + (package.parameters if package else 0)
    outputs = examples.num_sources + job.noise_output
    counted = multiply_adds(job.model, job.arguments, outputs, examples.sample_rate)
    return {"parameters": parameters, "multiply_adds": counted}
