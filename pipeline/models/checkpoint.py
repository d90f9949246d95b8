"""Checkpoints of asteroid's Conv-TasNet, read in the words of our configuration."""

import logging
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.base.errors import PipelineError, in_short
from pipeline.config.problems import shown

# Sizes that both networks have: asteroid's names and ours.
SIZES = {
    "n_filters": "N",
    "kernel_size": "L",
    "bn_chan": "B",
    "hid_chan": "H",
    "skip_chan": "Sc",
    "conv_kernel_size": "P",
    "n_blocks": "X",
    "n_repeats": "R",
}
NORMS = {"gLN": "gLN", "GlobLN": "gLN", "cLN": "cLN", "ChanLN": "cLN"}
# What asteroid's network is where a checkpoint does not say otherwise.
DEFAULTS = {
    "n_filters": 512,
    "kernel_size": 16,
    "stride": 8,
    "bn_chan": 128,
    "hid_chan": 512,
    "skip_chan": 128,
    "conv_kernel_size": 3,
    "n_blocks": 8,
    "n_repeats": 3,
    "norm_type": "gLN",
    "mask_act": "sigmoid",
    "causal": False,
}
SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")  # of files that are no names on a hub
SILENCE = 30.0  # seconds after which a server that sends nothing is given up
MULTIARRAY = ("numpy._core.multiarray", "numpy.core.multiarray")  # of NumPy 2 and 1
PLAIN = re.compile(r"[biufU]\d{1,3}")  # NumPy's codes of truth values, numbers and texts


@dataclass(frozen=True)
class Checkpoint:
    """What is used of a checkpoint.

    Args:
        state: tensors by name.
        arguments: what the network was built with, named as `conv_tasnet.Arguments` names it.
        sample_rate: Hz; None where the checkpoint does not say it.
    """

    state: dict[str, torch.Tensor]
    arguments: dict[str, Any]
    sample_rate: float | None


def read_checkpoint(source: str) -> Checkpoint:
    """Read a checkpoint of asteroid's Conv-TasNet.

    Args:
        source: a path, an address, or the name of a model that asteroid finds.

    Raises:
        PipelineError: it cannot be fetched or read, or it holds a network that ours cannot be.
    """
    from pipeline.models.asteroid import SR_HASHTABLE

    try:
        content = _load(_fetched(source))
        state = _tensors(content["state_dict"])
        given = _plain(DEFAULTS | dict(content["model_args"]))
        model = str(content.get("model_name", "ConvTasNet"))
        # The models that asteroid lists itself were published without their rate.
        rate = given.pop("sample_rate", None) or SR_HASHTABLE.get(source)
        rate = None if rate is None else float(rate)
    except Exception as error:  # network, hub, pickle and key errors all mean the same here
        raise PipelineError(
            f"init_from: {source} is neither a .safetensors file nor a readable asteroid"
            f" checkpoint ({in_short(error)}); give another path or hub name"
        ) from error
    if model.lower() != "convtasnet":
        raise PipelineError(
            f"init_from: {source} holds a {model[:60]}, not a ConvTasNet; use weights of that model"
        )
    return Checkpoint(state, _in_our_words(source, given), rate)


def _fetched(source: str) -> str:
    """Path of the checkpoint, fetched where it is no file here."""
    from pipeline.models.asteroid import cached_download

    if not Path(source).is_file():
        if "://" not in source and (source[0] in "/." or Path(source).suffix in SUFFIXES):
            raise FileNotFoundError("no such file")
        logging.info("init_from: %s is no file here; looking for it on the network", source)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        return str(cached_download(source))
    finally:
        socket.setdefaulttimeout(before)


def _tensors(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    for name, tensor in state.items():
        plain = isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided
        if not plain or tensor.is_quantized or tensor.device.type != "cpu":
            raise ValueError(f"its {name} is no usual tensor")
    return dict(state)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, if they are values that can be compared, and sizes where sizes belong."""
    arguments["skip_chan"] = arguments["skip_chan"] or 0  # None means none there
    for name, value in arguments.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"its {name} is neither a number nor a text")
        if name in SIZES and (not isinstance(value, int | float) or value % 1):
            raise ValueError(f"its {name} is not a whole number")
    return arguments


def _in_our_words(source: str, theirs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of asteroid's network as ours has them.

    Raises:
        PipelineError: names the first one that ours does not have, or not with this value.
    """
    known = _known(theirs)
    for name, value in theirs.items():
        if name not in SIZES and name != "n_src" and value not in known.get(name, ()):
            raise PipelineError(
                f"init_from: {source} was trained with {str(name)[:60]} {shown(value)}, which"
                " conv_tasnet does not have here; use other weights, or leave init_from out"
            )
    ours = {ours: theirs[name] for name, ours in SIZES.items()}
    ours |= {"mask": theirs["mask_act"], "causal": theirs["causal"]}
    # A causal network of theirs and of ours has cLN, whatever else is asked for.
    return ours if theirs["causal"] else ours | {"norm": NORMS[theirs["norm_type"]]}


def _known(theirs: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Values with which asteroid's network computes what ours can, of all that is no size."""
    other_norms = ("bN", "BatchNorm", "fgLN", "FeatsGlobLN") if theirs["causal"] else ()
    return {
        "norm_type": (*NORMS, *other_norms),
        "mask_act": ("relu", "sigmoid"),
        "causal": (False, True),
        "fb_name": ("free", "FreeFB"),
        "stride": (None, theirs["kernel_size"] // 2),
        "in_chan": (None, theirs["n_filters"]),
        "out_chan": (None, theirs["n_filters"]),
        "encoder_activation": (None, "linear"),
        "who_is_pinv": (None,),
        "padding": (0,),
        "output_padding": (0,),
    }


def _load(path: str) -> Any:
    """Unpickle a file in which only tensors and plain values are let in.

    Metrics are NumPy's scalars where recipes took means of tables. They become plain values
    without any code of NumPy's being handed what stands in the file.
    """
    allowed: list[Any] = [torch.torch_version.TorchVersion, (_Dtype, "numpy.dtype")]
    allowed += [(_scalar, f"{module}.scalar") for module in MULTIARRAY]
    with torch.serialization.safe_globals(allowed):
        content = torch.load(path, map_location="cpu", weights_only=True)
    for name in ("state_dict", "model_args"):
        if not isinstance(content, dict) or not isinstance(content.get(name), dict):
            raise ValueError(f"it has no {name}")
    return content


class _Dtype:
    """What a pickle says of the type of a NumPy scalar."""

    def __init__(self, code: str, *_: Any) -> None:
        if not PLAIN.fullmatch(code):
            raise ValueError(f"it holds a NumPy value of the type {code}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "|")


def _scalar(kind: _Dtype, content: bytes) -> Any:
    """The plain value of a pickled NumPy scalar."""
    return np.frombuffer(content, kind.order + kind.code, count=1)[0].item()
