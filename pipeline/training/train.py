"""Train one network from start, or from where a killed attempt left off, to its weights."""

import hashlib
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    DeviceStatsMonitor,
    EarlyStopping,
    EMAWeightAveraging,
    TQDMProgressBar,
)
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch import nn

from pipeline.base.errors import PipelineError
from pipeline.base.provenance import sha256
from pipeline.config import Machine, Training
from pipeline.losses.loss import Loss
from pipeline.models import build, entry_of
from pipeline.models.blended import Blended
from pipeline.models.devices import compile_networks, describe, open_device, precision_on
from pipeline.models.weights import licences_of, load_network, save_weights, start_from
from pipeline.models.with_noise import bare
from pipeline.tasks import TASKS
from pipeline.training.best import load_best
from pipeline.training.callbacks import History, StepLimit
from pipeline.training.cards import card_of, parameters_of, size_of, take_published, take_trained
from pipeline.training.data import Examples
from pipeline.training.dynamic import Fresh
from pipeline.training.job import Job, facts_of, recipe, starts_of
from pipeline.training.joint import keep_buffers
from pipeline.training.module import DEV_SCORE, Monitor, Trainee, TrainingData
from pipeline.training.quality import Quality
from pipeline.training.ranks import in_ranks
from pipeline.training.remote import Remote
from pipeline.training.samples import Samples
from pipeline.training.saving import Best, SaveState, SkipNonFinite
from pipeline.training.schedules import ClipByHistory, Plateau, Steps
from pipeline.training.state import State
from pipeline.training.trackers import TRACKERS

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}


def train(
    job: Job,
    machine: Machine,
    train: Examples | Fresh,
    dev: Examples,
    weights: Path,
    history: Path,
    state: Path,
    licences: Sequence[str] = (),
    devices: int = 1,
    extensions: Sequence[Path] = (),
) -> None:
    """Train and write `weights` (best on dev) and `history`; keep the state in folder `state`.

    The weights file repeats the `licences` of the corpora and those of the weights that it starts
    from. Excerpts of a dev recording are kept
    in the folder `samples` beside it. A training that has ended before, by the same code (that of
    `extensions` included) on the same data, is not done again: its weights are written once more.
    A published network is not trained: its weights are taken as they are, like those of a file.

    Raises:
        PipelineError: the state belongs to another configuration or other data, `init_from`
            does not fit, the devices are not there or short of memory, the loss or the dev score
            stays NaN or infinite, or a signal (`STOPS`) asked to stop.
    """
    entry = entry_of(job.model)
    if entry.file:
        take_trained(job, dev, weights, history)
        return
    if not entry.trained:
        take_published(job, train, weights, history, licences)
        return
    open_device(machine, devices)
    _refuse_idle(devices, len(dev.table))
    kept = State(state, extensions)
    with kept.alone():
        facts = facts_of(job) | {"data": fingerprint(train, dev), "init": _init_content(job)}
        if kept.restore(facts, weights, history):
            logging.info(
                "%s: this training has ended before; its weights are taken (to train again remove"
                " this folder)",
                state,
            )
            return
        kept.claim(facts)
        in_ranks(devices, _fit, job, machine, train, dev, weights, history, kept, licences, devices)
        kept.finish(facts, weights, history)


def _fit(
    job: Job,
    machine: Machine,
    train: Examples | Fresh,
    dev: Examples,
    weights: Path,
    history: Path,
    state: State,
    licences: Sequence[str],
    devices: int,
) -> None:
    """What each process of a training does; the first writes."""
    device = open_device(machine, devices)
    settings = recipe(job)
    monitor = Monitor(str(settings.monitor))
    front = front_of(train)  # before the seed, since building it draws too
    pl.seed_everything(job.seed, verbose=False)
    network = _network(job, train)
    if settings.inner_projection:
        keep_buffers()
    compile_networks(machine, device, network, front)
    curve = History(SkipNonFinite(), monitor)
    best = Best(state, monitor, settings.average_best or 1)
    saved = state.newest()
    if saved:
        logging.info("resuming from %s, step %d", *saved)
    trainer = pl.Trainer(
        **_hardware(settings, device, devices),
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip,
        num_sanity_val_steps=0,
        logger=[TRACKERS[name](state, saved, asdict(job)) for name in machine.trackers],
        callbacks=[curve, best, *_callbacks(settings, machine, train.sample_rate, state, curve)],
        enable_model_summary=False,
        log_every_n_steps=10,
    )
    permuted, absent = TASKS[job.task].permuted, len(train.speaker_counts) > 1
    loss = Loss(settings.loss or {}, permuted, train.sample_rate, absent)
    trainee = Trainee(network, loss, settings, front)
    size = size_of(job, network, train)  # at once, since an error of it would come after the night
    licences = [*licences, *(one for start in starts_of(job) for one in licences_of(*start[:2]))]
    data = TrainingData(train, dev, settings, job.seed, machine.loader_workers)
    for tracker in trainer.loggers:
        if isinstance(tracker, Remote):
            tracker.open()  # before the clock starts, since a server may let it wait
    with memory_in_words(settings, state.folder):
        trainer.fit(trainee, data, ckpt_path=saved and saved.path, weights_only=True)
    if trainer.is_global_zero:
        _refuse_without_best(curve, state, monitor)
        precision = trainer.strategy.precision_plugin.val_step_context()
        with memory_in_words(settings, state.folder):
            averaged = load_best(trainee, curve, best.files, data.dev, device, precision)
        _warn_if_useless(curve)
        card = card_of(job, train, curve, size, len(data.segments), describe(device), devices)
        card.training.update(licences=list(dict.fromkeys(licences)), programs=state.programs)
        card.training.update(averaged)
        save_weights(weights, network, card)
        curve.write(history)


def _warn_if_useless(curve: History) -> None:
    if curve.best and curve.best[DEV_SCORE] < 0:
        logging.warning(
            "its best weights give %s %.1f dB: worse than the mixture itself. Train longer, or"
            " lower training.learning_rate",
            DEV_SCORE,
            curve.best[DEV_SCORE],
        )


def _refuse_idle(devices: int, recordings: int) -> None:
    if devices > recordings:
        raise PipelineError(
            f"training.devices: {devices} is more than the {recordings} dev recordings; lower it,"
            " or raise mixtures.counts.dev"
        )


@contextmanager
def memory_in_words(settings: Training, state: Path) -> Iterator[None]:
    """Say what to lower where memory runs out.

    Raises:
        PipelineError: in place of what torch and NumPy raise.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        ours = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not ours and "can't allocate memory" not in str(error):
            raise
        raise PipelineError(
            "out of memory in training: lower training.batch_size"
            f" ({settings.batch_size}) or training.segment_seconds ({settings.segment_seconds:g}),"
            f" and remove {state} to start again"
        ) from error


def fingerprint(*sets: Examples | Fresh) -> str:
    """Hash of the data of a training."""
    digest = hashlib.sha256()
    for part in (part for data in sets for part in data.content()):
        digest.update(part)
    return digest.hexdigest()[:16]


def front_of(data: Examples | Fresh) -> nn.Module | None:
    """The denoiser that fresh mixtures go through, as its training left it."""
    if isinstance(data, Examples) or data.front is None:
        return None
    logging.info("the mixtures are denoised by %s", data.front)
    network = load_network(data.front, 1, data.sample_rate)
    return Blended(network, data.dry) if data.dry else network


def _network(job: Job, examples: Examples | Fresh) -> nn.Module:
    sources, rate = examples.num_sources, examples.sample_rate
    network = build(job.model, job.arguments, sources, rate, job.noise_output)
    if not any(p.requires_grad for p in network.parameters()):
        raise PipelineError(
            f"{job.model} has no parameters to train; set trained=False in its Entry, which takes"
            " it as it is"
        )
    logging.info("%s: %s parameters", job.model, f"{parameters_of(network):,}")
    started = [network] if isinstance(job.init_from, str) else list(bare(network).children())
    for part, start in zip(started, starts_of(job), strict=False):
        start_from(part, *start, rate)
    return network


def _hardware(settings: Training, device: torch.device, devices: int) -> dict[str, Any]:
    """What the trainer is told of where it runs; a batch is one whatever shares it."""
    gpu = device.type == "cuda"
    together = DDPStrategy(process_group_backend="nccl" if gpu else "gloo")
    return {
        "accelerator": "gpu" if gpu else "cpu",
        "devices": devices,
        "strategy": together if devices > 1 else "auto",
        "precision": PRECISIONS[precision_on(device, settings.precision)],
        "use_distributed_sampler": False,
        # Not the cluster's, which would expect a task for each device and requeue the job.
        "plugins": [LightningEnvironment()],
    }


def _callbacks(
    settings: Training, machine: Machine, sample_rate: int, state: State, curve: History
) -> Iterator[pl.Callback]:
    """What else is done at every step or epoch, in this order."""
    monitor = curve.monitor
    yield EarlyStopping(
        monitor.name, mode=monitor.mode, patience=settings.stop_patience, check_finite=False
    )
    yield Samples(sample_rate, state.samples, monitor, machine.track_every)
    if machine.trackers:  # computed for them alone
        yield Quality(sample_rate, machine.track_every)
        yield DeviceStatsMonitor(cpu_stats=True)
    # Only where somebody looks; logs have a line an epoch.
    yield TQDMProgressBar(refresh_rate=10 if sys.stdout.isatty() else 0)
    yield curve.skips
    if settings.gradient_clip_percentile is not None:
        yield ClipByHistory(settings.gradient_clip_percentile, curve.skips)
    if settings.schedule == "plateau":
        yield Plateau(settings.plateau_patience, monitor)
    if settings.warmup_steps or settings.schedule == "cosine":
        yield Steps(
            settings.learning_rate,
            settings.warmup_steps or 0,
            settings.schedule == "cosine",
            settings.max_steps,
        )
    if settings.ema_decay:
        yield EMAWeightAveraging(decay=settings.ema_decay)
    if settings.max_steps:
        yield StepLimit(settings.max_steps)
    yield SaveState(state, machine.save_seconds, curve.skips)


def _init_content(job: Job) -> str | None:
    """Hashes of the weights to start from, where they are files."""
    sources = [Path(source) for source, *_ in starts_of(job)]
    return " ".join(sha256(source) for source in sources if source.is_file()) or None


def _refuse_without_best(curve: History, state: State, monitor: Monitor) -> None:
    if curve.best is None:
        raise PipelineError(
            f"{monitor.name} is NaN or infinite after every epoch ({len(curve.rows)} in all), so no"
            f" weights are the best; remove {state.folder} and lower training.learning_rate, or"
            " look for the cause in the dev mixtures"
        )
