"""Read weights of Demucs that the authors' code (facebookresearch/denoiser) wrote.

A file holds the tensors alone, as dns48, dns64 and master64 do, or a dictionary of `class`,
`args`, `kwargs` and `state`, as a training of that code ends with. No code of a file is run.
"""

from typing import Any

import torch

from pipeline.base.errors import PipelineError, in_short
from pipeline.models.checkpoint import Checkpoint, usual_tensors

ORDER = ("chin", "chout", "hidden", "depth", "kernel_size", "stride", "causal", "resample")
"""Arguments of their network by position."""
DEFAULTS = {"stride": 4, "resample": 4, "normalize": True, "floor": 1e-3, "sample_rate": 16_000}
"""Values of their network that its tensors do not show, if a file does not tell them."""


class _Demucs:
    """Stands for the class of their network, of which a file holds the name."""


def read_published(source: str) -> Checkpoint:
    """Read weights of the published network.

    Args:
        source: a path; nothing is fetched.

    Raises:
        PipelineError: the file is not there, cannot be read, or has another layout.
    """
    try:
        with torch.serialization.safe_globals([(_Demucs, "denoiser.demucs.Demucs")]):
            content = torch.load(source, map_location="cpu", weights_only=True)
        state, given = _parts(content)
        return Checkpoint(state, _sizes(state) | given, given.pop("sample_rate"))
    except Exception as error:  # of the disk, pickle and layout all mean the same here
        raise PipelineError(
            f"init_from: {source} is neither a .safetensors file nor readable weights of"
            f" facebookresearch/denoiser ({in_short(error)}); give another path"
        ) from error


def _parts(content: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors, and what they do not show: stride, resample, floor and sample_rate."""
    told = {}
    if not isinstance(content, dict):
        raise ValueError("it is no dictionary")
    if "state" in content:
        told = dict(zip(ORDER, content["args"], strict=False)) | content["kwargs"]
        content = content["state"]
    given = {name: told.get(name, value) for name, value in DEFAULTS.items()}
    for name, value in given.items():
        if not isinstance(value, int | float):
            raise ValueError(f"its {name} is not a number")
    if not given.pop("normalize"):
        raise ValueError("its network does not normalise its input")
    return usual_tensors(content), given


def _sizes(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The arguments that the shapes of the tensors show."""
    try:
        hidden, _, kernel_size = state["encoder.0.0.weight"].shape
        outputs, _, _ = state["encoder.0.2.weight"].shape
        depth = len({name.split(".")[1] for name in state if name.startswith("encoder.")})
        sizes = {"hidden": hidden, "kernel_size": kernel_size, "depth": depth}
        sizes |= {"glu": outputs == 2 * hidden, "causal": "lstm.linear.weight" not in state}
        if depth > 1:
            sizes["growth"] = state["encoder.1.0.weight"].shape[0] // hidden
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise ValueError("it lacks the layers of Demucs") from error
    return sizes
