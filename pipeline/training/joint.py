"""The gradients of a chain: of its separation, and of the signal between its two networks."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter


def keep_buffers() -> None:
    """Let the backward pass of a compiled network run twice; it else gives its buffers away."""
    from torch._functorch import config

    config.donated_buffer = False


def add_projected(shared: Sequence[Parameter], main: Tensor, inner: Tensor) -> bool:
    """Write the gradients of both losses, without what of the inner one is against the main one.

    For each tensor that both losses share, with the gradients g of the main loss and h of the
    inner one: where g·h < 0, h becomes h − (g·h / g·g) g, which is at a right angle to g (Hu et al.
    2023, arXiv:2302.11131, without its rescaling). Then g + h is its gradient.

    Args:
        shared: the tensors of the first network.
        main: loss of the separation, of which all tensors get the gradient.
        inner: loss of the signal between the networks, with its weight.

    Returns:
        whether the two are against each other over all shared tensors together.
    """
    main.backward(retain_graph=True)
    together = 0.0
    for tensor, own in zip(shared, torch.autograd.grad(inner, shared), strict=True):
        assert tensor.grad is not None  # every tensor of the first network shapes the estimates
        dot = float(torch.sum(tensor.grad * own))
        together += dot
        tensor.grad += projected(own, tensor.grad) if dot < 0 else own
    return together < 0


def projected(one: Tensor, other: Tensor) -> Tensor:
    """The part of a gradient that is at a right angle to another one.

    >>> projected(torch.tensor([-1.0, 2.0]), torch.tensor([3.0, 0.0]))
    tensor([0., 2.])
    """
    power = (other * other).sum()
    return one - (one * other).sum() / power * other if power > 0 else one
