"""Trained weights: one safetensors file with the facts of the model, and never a pickle."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from pipeline.base.errors import PipelineError
from pipeline.base.files import replacing
from pipeline.models import build, entry_of, parse_arguments
from pipeline.models.card import FORMAT, MAKE_AGAIN, TRAIN_AFRESH, Card, read_card
from pipeline.models.checkpoint import read_checkpoint
from pipeline.models.with_noise import bare
from pipeline.weights import locate

OTHER_INIT = "give another file as init_from"


def save_weights(path: Path, network: nn.Module, card: Card) -> None:
    """Write the weights and their card atomically."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        metadata = {"format": FORMAT, "card": json.dumps(asdict(card))}
        temporary.write_bytes(save(tensors, metadata))


def load_network(path: Path | str, num_sources: int, sample_rate: int) -> nn.Module:
    """Build the network of a weights file, `[batch, time]` to `[batch, sources, time]`.

    Raises:
        PipelineError: the file is for another number of sources or another rate, or is damaged,
            or the package of a published network is not installed, or another version of it.
    """
    card = read_card(path)
    if card.sample_rate != sample_rate:
        raise PipelineError(
            f"{path}: trained at {card.sample_rate} Hz, asked for {sample_rate} Hz;"
            " use weights of that rate or change sample_rate"
        )
    if card.num_sources != num_sources:
        raise PipelineError(
            f"{path}: gives {card.num_sources} signals, asked for {num_sources};"
            " use a model trained for that number of speakers"
        )
    parse_arguments(card.model, card.arguments, f"{path}: ")
    if package := entry_of(card.model).package:
        package.check(card.training.get("package", {}), path)
    network = built(card)
    try:
        network.load_state_dict(_tensors(path, TRAIN_AFRESH))
    except RuntimeError as error:
        raise PipelineError(
            f"{path}: damaged weights (not the tensors its card tells of); {MAKE_AGAIN}"
        ) from error
    return network.eval()


def from_pretrained(source: Path | str) -> nn.Module:
    """Load a trained network, `[batch, time]` to `[batch, sources, time]`, ready for use.

    Its sample rate and its number of sources are in its card: `read_card(locate(source))`.

    Args:
        source: the name of a network that ships, the folder of a model, or a weights file
            (`pipeline.weights.locate`).

    Raises:
        PipelineError: there is no such network, or its file is damaged.

    >>> from_pretrained("separator_2")(torch.zeros(1, 800)).shape
    torch.Size([1, 2, 800])
    """
    path = locate(source)
    card = read_card(path)
    return load_network(path, card.num_sources, card.sample_rate)


def built(card: Card) -> nn.Module:
    """The network that a card tells of, with weights of its own."""
    sources, rate = card.num_sources, card.sample_rate
    return build(card.model, card.arguments, sources, rate, card.noise_output)


def start_from(
    network: nn.Module, source: str, model: str, arguments: dict[str, Any], sample_rate: int
) -> list[str]:
    """Copy weights for fine-tuning into `network`; return the tensors that were left unchanged.

    Args:
        network: the network to train.
        source: one of our weights files, a file of the code that `foreign` of the entry reads, or
            an asteroid checkpoint (path or hub name).
        model: registry name of `network`.
        arguments: the arguments of `network`.
        sample_rate: Hz of the data of `network`.

    Raises:
        PipelineError: the model, the arguments or the sample rate differ, or tensors other than
            those that depend on the number of outputs.
    """
    if _is_ours(source):
        state = _ours(source, model, arguments, sample_rate)
    else:
        state = _foreign(source, model, arguments, sample_rate)
    network = bare(network)
    own = network.state_dict()
    unpaired = sorted(own.keys() ^ state.keys())
    differing = [n for n in own.keys() & state.keys() if own[n].shape != state[n].shape]
    if unpaired or (wrong := _wrong(source, own, state, differing)):
        name = (unpaired or wrong)[0]
        raise PipelineError(
            f"init_from: {source} does not fit the configured network (tensor {name});"
            f" {OTHER_INIT}, or leave init_from out"
        )
    network.load_state_dict(own | {n: t for n, t in state.items() if n not in differing})
    if differing:
        logging.warning(
            "init_from: %s has another number of outputs; %s start afresh",
            source,
            ", ".join(sorted(differing)),
        )
    return sorted(differing)


def licences_of(source: str, model: str) -> list[str]:
    """Licences that a training takes over with the weights of `source` that it starts from.

    Those of one of our files are in its card; others are those that `foreign` of the entry tells.

    Raises:
        PipelineError: the file is one of ours, and damaged.
    """
    if _is_ours(source):
        card = read_card(source, f"copy it again, or {OTHER_INIT}")
        return list(card.training.get("licences", []))
    foreign = entry_of(model).foreign
    return [foreign.licence] if foreign else []


def _wrong(
    source: str,
    own: dict[str, torch.Tensor],
    state: dict[str, torch.Tensor],
    differing: list[str],
) -> list[str]:
    """Tensors of another shape for another reason than another number of outputs."""
    if _is_ours(source) and differing:
        card = read_card(source)
        with torch.random.fork_rng(devices=[]):  # the training's own draws stay as they are
            made = bare(built(card))
        shapes = {name: tensor.shape for name, tensor in made.state_dict().items()}
        return [name for name in differing if state[name].shape != shapes[name]]
    wrong = [name for name in differing if not _differs_in_one_size(own[name], state[name])]
    return wrong or (differing if len(differing) > 2 else [])


def _differs_in_one_size(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether the shapes differ in one place, as those of a last layer with other outputs do."""
    return (
        one.ndim == other.ndim
        and sum(a != b for a, b in zip(one.shape, other.shape, strict=True)) == 1
    )


def _is_ours(source: str) -> bool:
    return source.endswith(".safetensors")


def _ours(
    source: str, model: str, arguments: dict[str, Any], sample_rate: int
) -> dict[str, torch.Tensor]:
    card = read_card(source, f"copy it again, or {OTHER_INIT}")
    if card.model != model:
        raise PipelineError(
            f"init_from: {source} holds a {card.model}, not a {model}; use weights of that model"
        )
    _check_rate(source, card.sample_rate, sample_rate)
    found, wanted = (parse_arguments(model, a).model_dump() for a in (card.arguments, arguments))
    _check_arguments(source, found, wanted)
    tensors = _tensors(source, OTHER_INIT)
    if card.noise_output:
        return {name.removeprefix("network."): tensor for name, tensor in tensors.items()}
    return tensors


def _tensors(path: Path | str, cure: str) -> dict[str, torch.Tensor]:
    """The tensors of one of our files, whose card has been read."""
    state = load_file(str(path))
    _check_finite(str(path), state, cure)
    return state


def _check_finite(source: str, state: dict[str, torch.Tensor], cure: str) -> None:
    bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if bad:
        raise PipelineError(f"{source}: holds NaN or infinite weights ({bad[0]}); {cure}")


def _foreign(
    source: str, model: str, arguments: dict[str, Any], sample_rate: int
) -> dict[str, torch.Tensor]:
    foreign = entry_of(model).foreign
    checkpoint = foreign.read(source) if foreign else read_checkpoint(source)
    _check_finite(f"init_from: {source}", checkpoint.state, OTHER_INIT)
    if checkpoint.sample_rate is None:
        logging.warning(
            "init_from: %s does not say its sample rate; it is used as if trained at %d Hz:"
            " check that it was",
            source,
            sample_rate,
        )
    else:
        _check_rate(source, checkpoint.sample_rate, sample_rate)
    wanted = parse_arguments(model, arguments).model_dump()
    _check_arguments(source, checkpoint.arguments, wanted)
    if foreign:
        logging.warning("init_from: %s: %s", source, foreign.licence)
    return checkpoint.state


def _check_arguments(source: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse other arguments that do not change the tensors' shapes (norm, mask, causal)."""
    names = found.keys() & wanted.keys()
    differing = [f"{n} {found[n]!r}" for n in sorted(names) if found[n] != wanted[n]]
    if differing:
        raise PipelineError(
            f"init_from: {source} does not fit the configured network (it was trained with"
            f" {', '.join(differing)}); give the arguments it was trained with"
        )


def _check_rate(source: str, rate: float, wanted: int) -> None:
    if rate != wanted:
        raise PipelineError(
            f"init_from: {source} was trained at {rate:g} Hz, sample_rate is {wanted};"
            " use weights of that rate"
        )
