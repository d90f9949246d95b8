"""Train one network from start, or from where a killed attempt left off, to its weights."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn

from pipeline.config import Machine, Training
from pipeline.devices import describe, open_device
from pipeline.errors import PipelineError
from pipeline.files import read_json, write_json
from pipeline.models import build, parse_arguments
from pipeline.models.card import Card
from pipeline.models.weights import load_network, save_weights, start_from
from pipeline.training.callbacks import History, Plateau, Samples, SaveState, StepLimit
from pipeline.training.data import Examples
from pipeline.training.dynamic import Fresh
from pipeline.training.module import DEV_SCORE, Trainee, TrainingData

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class Job:
    """All that decides the weights a training ends with, the data and the machine aside.

    `mixtures` is what decides fresh mixtures, None where rendered ones are heard.
    """

    role: Literal["denoiser", "separator"]
    condition: str
    model: str
    arguments: dict[str, Any]
    init_from: str | None
    training: dict[str, Any]
    seed: int
    mixtures: dict[str, Any] | None = None


def train(
    job: Job,
    machine: Machine,
    train: Examples | Fresh,
    dev: Examples,
    weights: Path,
    history: Path,
    state: Path,
    licences: Sequence[str] = (),
) -> None:
    """Train and write `weights` (best on dev) and `history`; keep the state in folder `state`.

    The weights file repeats the `licences` of the corpora. Excerpts of a dev recording are kept
    in the folder `samples` beside it.

    Raises:
        PipelineError: the state belongs to another configuration or other data, `init_from`
            does not fit, or the device is not there.
    """
    device = open_device(machine)
    settings = Training(**job.training)
    _claim_state(state, asdict(job) | {"data": fingerprint(train, dev)})
    front = _front(train)  # before the seed, since building it draws too
    pl.seed_everything(job.seed, verbose=False)
    network = _network(job, train)
    if machine.compile:
        network.compile()
        if front is not None:
            front.compile()
    curve = History()
    samples = Samples(train.sample_rate, weights.parent / "samples")
    trainer = _trainer(settings, machine, curve, samples, state)
    last = state / "last.ckpt"
    if last.exists():
        logging.info("resuming from %s", last)
    trainer.fit(
        Trainee(network, job.role, settings, front),
        TrainingData(train, dev, settings, job.seed, machine.loader_workers),
        ckpt_path=last if last.exists() else None,
        weights_only=True,
    )
    _load_best(network, state)
    card = _card(job, train, curve, _parameters(network), describe(device))
    card.training["licences"] = list(licences)
    save_weights(weights, network, card)
    curve.write(history)
    last.unlink(missing_ok=True)  # finished: a later run of this job starts afresh


def fingerprint(*sets: Examples | Fresh) -> str:
    """Hash of what a training hears."""
    digest = hashlib.sha256()
    for part in (part for data in sets for part in data.content()):
        digest.update(part)
    return digest.hexdigest()[:16]


def _front(data: Examples | Fresh) -> nn.Module | None:
    """The denoiser that fresh mixtures go through, as its training left it."""
    if isinstance(data, Examples) or data.front is None:
        return None
    logging.info("%s denoises what is heard", data.front)
    return load_network(data.front, 1, data.sample_rate)


def _network(job: Job, examples: Examples | Fresh) -> nn.Module:
    network = build(job.model, job.arguments, examples.num_sources, examples.sample_rate)
    logging.info("%s: %.2f M parameters", job.model, _parameters(network) / 1e6)
    if job.init_from:
        start_from(network, job.init_from, job.model, job.arguments, examples.sample_rate)
    return network


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _trainer(
    settings: Training, machine: Machine, curve: History, samples: Samples, state: Path
) -> pl.Trainer:
    gpu = open_device(machine).type == "cuda"
    return pl.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=1,
        max_epochs=settings.epochs,
        precision=PRECISIONS[settings.precision] if gpu else "32-true",
        gradient_clip_val=settings.gradient_clip,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(state, name="", version="tensorboard"),
        callbacks=_callbacks(settings, machine, curve, samples, state),
        enable_model_summary=False,
        log_every_n_steps=10,
    )


def _callbacks(
    settings: Training, machine: Machine, curve: History, samples: Samples, state: Path
) -> list[pl.Callback]:
    # Not save_weights_only: that would leave out the averaged weights, the ones that were scored.
    best = ModelCheckpoint(
        state, filename="best", monitor=DEV_SCORE, mode="max", enable_version_counter=False
    )
    callbacks = [
        curve,
        best,
        EarlyStopping(DEV_SCORE, mode="max", patience=settings.stop_patience),
        Plateau(settings.plateau_patience),
        samples,
        TQDMProgressBar(refresh_rate=10),
    ]
    if settings.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=settings.ema_decay))
    if settings.max_steps:
        callbacks.append(StepLimit(settings.max_steps))
    # Last: what it saves must hold what the others have done in this step.
    return [*callbacks, SaveState(state / "last.ckpt", machine.save_seconds)]


def _claim_state(state: Path, facts: dict[str, Any]) -> None:
    """Refuse to go on from the state of another configuration."""
    claim = state / "job.json"
    if (state / "last.ckpt").exists() and claim.exists():
        earlier = read_json(claim)
        differing = sorted(key for key in facts if facts[key] != earlier.get(key))
        if differing:
            raise PipelineError(
                f"{state}: holds an unfinished training of another configuration (differs in"
                f" {', '.join(differing)}); restore that, or delete the folder to start afresh"
            )
    write_json(claim, facts)


def _load_best(network: nn.Module, state: Path) -> None:
    checkpoint = torch.load(state / "best.ckpt", map_location="cpu", weights_only=True)
    trained = {name.removeprefix("network."): t for name, t in checkpoint["state_dict"].items()}
    network.load_state_dict(trained)


def _card(
    job: Job, examples: Examples | Fresh, curve: History, parameters: int, device: str
) -> Card:
    best, last = max(curve.rows, key=lambda row: row[DEV_SCORE]), curve.rows[-1]
    logging.info("best epoch %d: %s %.2f dB", best["epoch"], DEV_SCORE, best[DEV_SCORE])
    facts = {
        "role": job.role,
        "condition": job.condition,
        "settings": job.training,
        "init_from": job.init_from,
        "mixtures": job.mixtures,
        "seed": job.seed,
        "parameters": parameters,
        "best": best,
        "steps": last["step"],
        "seconds": last["seconds"],
        "resumed_at": curve.resumed_at,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    arguments = parse_arguments(job.model, job.arguments).model_dump()
    return Card(job.model, arguments, examples.num_sources, examples.sample_rate, facts)
