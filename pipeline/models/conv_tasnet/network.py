"""Conv-TasNet for training: the same tensors as asteroid's, without repeated computation."""

from collections.abc import Hashable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.conv_tasnet import EPSILON, Arguments
from pipeline.models.conv_tasnet.backward import fused
from pipeline.models.conv_tasnet.kernels import compiled_for
from pipeline.models.conv_tasnet.tiled import Tiled, fold, overlap_add
from pipeline.models.prelu import PReLU


class ConvTasNet(nn.Module):
    """Encoder, masks from a stack of dilated convolutions, decoder (Luo & Mesgarani 2019, Fig. 1).

    The network maps `[batch, time]` to `[batch, sources, time]`. Without gradients, a CPU processes
    the recordings in tiles (`tiled.py`), with the same result up to rounding.
    """

    def __init__(self, arguments: Arguments, num_sources: int, sample_rate: int) -> None:
        super().__init__()
        self.arguments, self.num_sources, self.sample_rate = arguments, num_sources, sample_rate
        self.hop = arguments.L // 2
        # In this order the initial weights equal asteroid's for the same seed.
        self.encoder, decoder = Filterbank(arguments), Filterbank(arguments)
        self.masker = Masker(arguments, num_sources)
        self.decoder = decoder
        self._kept: tuple[Hashable, Tiled] | None = None

    def forward(self, mixtures: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Estimate the sources.

        Args:
            mixtures: `[batch, time]`.
            lengths: `[batch]`, samples of each mixture if shorter ones are padded with zeros; each
                estimate is then the same as without padding.

        Returns:
            `[batch, sources, time]`.
        """
        time = mixtures.shape[-1]
        if time < self.arguments.L:
            mixtures = F.pad(mixtures, (0, self.arguments.L - time))
        if _in_tiles(mixtures):
            estimates = self._in_tiles(mixtures, lengths)
        elif lengths is None and self._has_backward(mixtures):
            estimates = self._in_rows(mixtures)
        else:
            estimates = self._at_once(mixtures, lengths)
        return F.pad(estimates, (0, self.hop))[..., :time]

    def _at_once(self, mixtures: Tensor, lengths: Tensor | None) -> Tensor:
        frames = F.conv1d(mixtures[:, None], self.encoder.filters, stride=self.hop)
        valid = None if lengths is None else self._valid(lengths, frames)
        if valid is not None:
            frames = frames * valid
        masked = self.masker(frames, valid) * frames[:, None]
        signals = F.conv_transpose1d(masked.flatten(0, 1), self.decoder.filters, stride=self.hop)
        return signals.view(mixtures.shape[0], self.num_sources, -1)

    def _has_backward(self, mixtures: Tensor) -> bool:
        """Whether the blocks' own backward pass (`backward.py`) can be used."""
        plain = _outside_of_compilers() and not torch.is_autocast_enabled("cpu")
        return plain and compiled_for(mixtures) and self.masker.goes_back()

    def _in_rows(self, mixtures: Tensor) -> Tensor:
        """As `_at_once`, with frames as rows."""
        frames = mixtures.unfold(1, self.arguments.L, self.hop) @ self.encoder.filters[:, 0].T
        masked = self.masker.rows(frames) * frames[:, None]
        signals = masked.flatten(0, 1) @ self.decoder.filters[:, 0]
        return overlap_add(signals, self.hop).view(mixtures.shape[0], self.num_sources, -1)

    def _in_tiles(self, mixtures: Tensor, lengths: Tensor | None) -> Tensor:
        lower = torch.is_autocast_enabled("cpu")
        tiled = self._tiled(torch.get_autocast_dtype("cpu") if lower else mixtures.dtype)
        ends = [mixtures.shape[-1]] * len(mixtures) if lengths is None else lengths.tolist()
        estimates = mixtures.new_zeros(len(mixtures), self.num_sources, mixtures.shape[-1])
        with torch.autocast("cpu", enabled=False):  # used in the blocks only, where it is faster
            for estimate, mixture, end in zip(estimates, mixtures, ends, strict=True):
                found = tiled(mixture[: max(end, self.arguments.L)])
                estimate[:, : found.shape[-1]] = found
        return estimates

    def _tiled(self, dtype: torch.dtype) -> Tiled:
        """Arrange the weights for tiles; those of a frozen network only once.

        If gradients are needed, trainers also change weights unnoticed, through their `data`.
        """
        weights = list(self.parameters())
        if any(weight.requires_grad or weight.is_inference() for weight in weights):
            return Tiled(self, dtype)
        state = (dtype, *((weight.data_ptr(), weight._version) for weight in weights))
        if self._kept is None or self._kept[0] != state:
            self._kept = state, Tiled(self, dtype)
        return self._kept[1]

    def _valid(self, lengths: Tensor, frames: Tensor) -> Tensor:
        """Ones for the frames within each mixture, zeros for padding: `[batch, 1, frames]`."""
        ends = (lengths.clamp(min=self.arguments.L) - self.arguments.L) // self.hop + 1
        places = torch.arange(frames.shape[-1], device=frames.device)
        return (places < ends[:, None, None]).to(frames.dtype)

    def get_model_args(self) -> dict[str, Any]:
        """Return the arguments in asteroid's names, as its checkpoints contain them."""
        a = self.arguments
        return {
            "n_src": self.num_sources,
            "n_filters": a.N,
            "kernel_size": a.L,
            "stride": self.hop,
            "bn_chan": a.B,
            "hid_chan": a.H,
            "skip_chan": a.Sc,
            "conv_kernel_size": a.P,
            "n_blocks": a.X,
            "n_repeats": a.R,
            "norm_type": "cLN" if a.causal else a.norm,
            "mask_act": a.mask,
            "causal": a.causal,
            "sample_rate": self.sample_rate,
        }


class Filterbank(nn.Module):
    """Filters `[N, 1, L]` of the encoder or of the decoder."""

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        self.filterbank = nn.Module()
        filters = nn.Parameter(torch.empty(arguments.N, 1, arguments.L))
        nn.init.xavier_normal_(filters)
        self.filterbank.register_parameter("_filters", filters)

    @property
    def filters(self) -> Tensor:
        """The filters as one tensor, `[N, 1, L]`."""
        return cast(Tensor, self.filterbank._filters)


class Masker(nn.Module):
    """Estimates a mask for each source from the frames of a mixture."""

    def __init__(self, arguments: Arguments, num_sources: int) -> None:
        super().__init__()
        a = arguments
        self.num_sources, self.sigmoid = num_sources, a.mask == "sigmoid"
        self.bottleneck = nn.Sequential(norm(a, a.N), nn.Conv1d(a.N, a.B, 1))
        self.TCN = nn.ModuleList(Block(a, 2**x) for _ in range(a.R) for x in range(a.X))
        self.mask_net = nn.Sequential(PReLU(), nn.Conv1d(a.Sc or a.B, num_sources * a.N, 1))

    def forward(self, frames: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return masks `[batch, sources, N, frames]` for `[batch, N, frames]`; see `GlobalNorm`."""
        normalise, narrow = self.bottleneck
        residual, skips = narrow(normalise(frames, valid)), None
        for block in self.TCN:
            residual, skips = block(residual, skips, valid)
        scores = self.mask_net(residual if skips is None else skips)
        scores = scores.unflatten(1, (self.num_sources, -1))
        return scores.sigmoid() if self.sigmoid else scores.relu()

    def goes_back(self) -> bool:
        """Whether `rows` can be used: norms over the recording, and slopes above 0."""
        blocks = [list(cast(Block, block).layers()) for block in self.TCN]
        slopes = (cast(Tensor, layers[at].weight) for layers in blocks for at in (1, 4))
        return not self.bottleneck[0].local and all(slope.item() > 0 for slope in slopes)

    def rows(self, frames: Tensor) -> Tensor:
        """The masks `[batch, sources, frames, N]` for `[batch, frames, N]`, for a training."""
        normalise, narrow = cast(Any, self.bottleneck)
        normal = F.layer_norm(frames, frames.shape[1:], eps=EPSILON)
        residual = F.linear(normal, *fold(normalise, narrow.weight[..., 0], narrow.bias))
        ends, skips = residual.shape[-1], None
        for block in self.TCN:
            more, skip = fused(block, residual).tensor_split([ends], dim=-1)
            residual = residual + more
            if skip.shape[-1]:
                skips = skip if skips is None else skips + skip
        activate, widen = cast(Any, self.mask_net)
        features = activate(residual if skips is None else skips)
        scores = F.linear(features, widen.weight[..., 0], widen.bias)
        scores = scores.unflatten(-1, (self.num_sources, -1)).transpose(1, 2)
        return scores.sigmoid() if self.sigmoid else scores.relu()


class Block(nn.Module):
    """1-D convolutional block: widen, convolve each channel in time, and narrow (Fig. 1C)."""

    def __init__(self, arguments: Arguments, dilation: int) -> None:
        super().__init__()
        a = arguments
        widen, depthwise = nn.Conv1d(a.B, a.H, 1), Depthwise(a, dilation)
        self.shared_block = nn.Sequential(
            widen,
            PReLU(),
            norm(a, a.H),
            nn.Sequential(depthwise) if a.causal else depthwise,  # as in asteroid
            PReLU(),
            norm(a, a.H),
        )
        self.res_conv = nn.Conv1d(a.H, a.B, 1)
        if a.Sc:
            self.skip_conv = nn.Conv1d(a.H, a.Sc, 1)

    def forward(
        self, residual: Tensor, skips: Tensor | None, valid: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the updated `[batch, B, frames]`, and `[batch, Sc, frames]` or None."""
        widen, first, normalise, depthwise, second, normalise_again = self.shared_block
        inner = depthwise(normalise(first(widen(residual)), valid))
        inner = normalise_again(second(inner), valid)
        weight, bias = self.narrow()
        outputs = F.conv1d(inner, weight[..., None], bias)
        more, skip = outputs.tensor_split([len(self.res_conv.weight)], dim=1)
        residual = residual + more
        if not skip.shape[1]:
            return residual, None
        return residual, skip if skips is None else skips + skip

    def narrow(self) -> tuple[Tensor, Tensor]:
        """Join residual and skip convolution: weight `[B + Sc, H]`, bias `[B + Sc]`."""
        both = [layer for name, layer in self.named_children() if name.endswith("_conv")]
        weight = torch.cat([cast(nn.Conv1d, layer).weight for layer in both])[..., 0]
        return weight, torch.cat([cast(Tensor, layer.bias) for layer in both])

    def layers(self) -> Iterator[nn.Module]:
        """Yield convolution, PReLU, norm, depthwise convolution, PReLU, norm."""
        for layer in self.shared_block:
            yield layer[0] if isinstance(layer, nn.Sequential) else layer


class Depthwise(nn.Conv1d):
    """A depthwise convolution, with as many output frames as input frames."""

    def __init__(self, arguments: Arguments, dilation: int) -> None:
        a, reach = arguments, (arguments.P - 1) * dilation
        self.before = reach if a.causal else reach - reach // 2  # past frames that it uses
        super().__init__(a.H, a.H, a.P, padding=self.before, dilation=dilation, groups=a.H)

    def forward(self, frames: Tensor) -> Tensor:
        """Convolve `[batch, H, frames]`; frames beyond the input, due to padding, are cut off."""
        return super().forward(frames)[..., : frames.shape[-1]]


class Norm(nn.Module):
    """Normalise to mean 0 and variance 1, then scale and shift every channel."""

    local: bool  # each frame is normalised separately

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))


class GlobalNorm(Norm):
    """gLN: (x − mean) / √(variance + ε) · γ + β over all channels and frames (equation 11).

    With `valid`, `[batch, 1, frames]`, only frames where it is 1 count, and the others become 0.
    """

    local = False

    def forward(self, frames: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalise `[batch, channels, frames]`, of which the frames of `valid` count."""
        if valid is None:
            return F.group_norm(frames, 1, self.gamma, self.beta, EPSILON)
        count = valid.sum(-1, keepdim=True) * frames.shape[1]
        centred = (frames - (frames * valid).sum((1, 2), keepdim=True) / count) * valid
        variance = centred.square().sum((1, 2), keepdim=True) / count
        normal = centred * (variance + EPSILON).rsqrt()
        return (normal * self.gamma[:, None] + self.beta[:, None]) * valid


class ChannelNorm(Norm):
    """cLN as in asteroid: over the channels of each frame, independent of other frames."""

    local = True

    def forward(self, frames: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalise `[batch, channels, frames]`; frames outside of `valid` become 0."""
        columns = frames.transpose(1, 2)
        normal = F.layer_norm(columns, self.gamma.shape, self.gamma, self.beta, EPSILON)
        return normal.transpose(1, 2) if valid is None else normal.transpose(1, 2) * valid


def norm(arguments: Arguments, channels: int) -> Norm:
    """Return the norm that the arguments select."""
    local = arguments.causal or arguments.norm == "cLN"
    return ChannelNorm(channels) if local else GlobalNorm(channels)


def _in_tiles(mixtures: Tensor) -> bool:
    """Whether this is a pass for inference on a CPU, outside of any compiler."""
    here = mixtures.device.type == "cpu" and not torch.is_grad_enabled()
    return here and _outside_of_compilers()


def _outside_of_compilers() -> bool:
    return not torch.compiler.is_compiling() and not torch.onnx.is_in_onnx_export()
