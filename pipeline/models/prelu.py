"""PReLU with one slope, whose gradient costs no more than its forward pass on a CPU."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PReLU(nn.PReLU):
    """max(x, 0) + a min(x, 0) with one trained slope a (He et al. 2015, arXiv:1502.01852).

    torch computes the gradient of a for every element before summing, which takes a tenth of a
    training step on a CPU.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply PReLU to a tensor of any shape."""
        if torch.compiler.is_compiling() or inputs.device.type != "cpu":
            return super().forward(inputs)
        return cast(Tensor, _Slope.apply(inputs, self.weight))


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, slope: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inputs, slope)
        return F.leaky_relu(inputs, slope.item())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        inputs, slope = ctx.saved_tensors
        below = inputs.clamp(max=0).flatten()
        passed = torch.ops.aten.leaky_relu_backward(gradient, inputs, slope.item(), False)
        return passed, torch.dot(gradient.flatten(), below)[None]
