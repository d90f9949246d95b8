"""Read checkpoints of asteroid's Conv-TasNet, with arguments named as in our configuration."""

import logging
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.base.errors import PipelineError, in_short
from pipeline.config.paths import is_file_name
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
# Values of asteroid's network if a checkpoint does not give them.
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
SILENCE = 30.0  # seconds after which a server that sends nothing is abandoned
MULTIARRAY = ("numpy._core.multiarray", "numpy.core.multiarray")  # of NumPy 2 and 1
PLAIN = re.compile(r"[biufU]\d{1,3}")  # NumPy's codes of booleans, numbers and texts


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a checkpoint that are used.

    Args:
        state: tensors by name.
        arguments: those of the network that the checkpoint tells, with the names of ours.
        sample_rate: Hz; None if the checkpoint does not give it.
    """

    state: dict[str, torch.Tensor]
    arguments: dict[str, Any]
    sample_rate: float | None


def read_checkpoint(source: str) -> Checkpoint:
    """Read a checkpoint of asteroid's Conv-TasNet.

    Args:
        source: a path, a URL, or the name of a model that asteroid finds.

    Raises:
        PipelineError: it cannot be fetched or read, or our network cannot represent its network.
    """
    from pipeline.models.asteroid import SR_HASHTABLE

    try:
        content = _load(_fetched(source))
        state = usual_tensors(content["state_dict"])
        given = _plain(DEFAULTS | dict(content["model_args"]))
        model = str(content.get("model_name", "ConvTasNet"))
        # The models in asteroid's own list were published without their rate.
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
    """Path of the checkpoint, which is downloaded if there is no such file."""
    from pipeline.models.asteroid import cached_download

    if not Path(source).is_file():
        if is_file_name(source):
            raise FileNotFoundError("no such file")
        logging.info("init_from: %s is no file here; looking for it on the network", source)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        return str(cached_download(source))
    finally:
        socket.setdefaulttimeout(before)


def usual_tensors(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a state.

    Raises:
        ValueError: one is sparse, quantized, not of floats, no tensor, or larger than what the file
            holds of it.
    """
    for name, tensor in state.items():
        plain = isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided
        if not plain or not tensor.is_floating_point() or tensor.device.type != "cpu":
            raise ValueError(f"its {name} is no usual tensor")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ValueError(f"its {name} is larger than what the file holds of it")
    return dict(state)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, if their values can be compared, and those of sizes are numbers."""
    arguments["skip_chan"] = arguments["skip_chan"] or 0  # None means no skip connections there
    for name, value in arguments.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"its {name} is neither a number nor a text")
        if name in SIZES and (not isinstance(value, int | float) or value % 1):
            raise ValueError(f"its {name} is not a whole number")
    return arguments


def _in_our_words(source: str, theirs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of asteroid's network in our names.

    Raises:
        PipelineError: names the first argument that ours lacks, or cannot set to this value.
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
    # Causal networks of both have cLN, whatever the arguments say.
    return ours if theirs["causal"] else ours | {"norm": NORMS[theirs["norm_type"]]}


def _known(theirs: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Values of all arguments but sizes with which asteroid's network equals one of ours."""
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
    """Unpickle a file of which only tensors and plain values are allowed.

    Metrics are scalars of NumPy if recipes computed means of tables. They become plain values, and
    no code of NumPy receives data of the file.
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
    """The type of a NumPy scalar as a pickle describes it."""

    def __init__(self, code: str, *_: Any) -> None:
        if not PLAIN.fullmatch(code):
            raise ValueError(f"it holds a NumPy value of the type {code}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "|")


def _scalar(kind: _Dtype, content: bytes) -> Any:
    """The plain value of a pickled NumPy scalar."""
    return np.frombuffer(content, kind.order + kind.code, count=1)[0].item()
