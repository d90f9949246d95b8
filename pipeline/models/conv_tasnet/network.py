"""Conv-TasNet as it is trained: the same tensors as asteroid's, and nothing computed twice."""

from collections.abc import Hashable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.conv_tasnet import EPSILON, Arguments
from pipeline.models.conv_tasnet.prelu import PReLU
from pipeline.models.conv_tasnet.tiled import Tiled


class ConvTasNet(nn.Module):
    """Encoder, masks from a stack of dilated convolutions, decoder (Luo & Mesgarani 2019, Fig. 1).

    Maps `[batch, time]` to `[batch, sources, time]`. Where no gradient is wanted, a CPU goes
    through the recordings in tiles (`tiled.py`), which gives the same to rounding.
    """

    def __init__(self, arguments: Arguments, num_sources: int, sample_rate: int) -> None:
        super().__init__()
        self.arguments, self.num_sources, self.sample_rate = arguments, num_sources, sample_rate
        self.hop = arguments.L // 2
        # In this order they are drawn as asteroid draws them from the same seed.
        self.encoder, decoder = Filterbank(arguments), Filterbank(arguments)
        self.masker = Masker(arguments, num_sources)
        self.decoder = decoder
        self._kept: tuple[Hashable, Tiled] | None = None

    def forward(self, mixtures: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Estimate the sources.

        Args:
            mixtures: `[batch, time]`.
            lengths: `[batch]`, samples of each mixture where shorter ones were padded with
                zeros; what comes of them is then what they give alone.

        Returns:
            `[batch, sources, time]`.
        """
        time = mixtures.shape[-1]
        if time < self.arguments.L:
            mixtures = F.pad(mixtures, (0, self.arguments.L - time))
        if _in_tiles(mixtures):
            estimates = self._in_tiles(mixtures, lengths)
        else:
            estimates = self._at_once(mixtures, lengths)
        return F.pad(estimates, (0, self.hop))[..., :time]

    def _at_once(self, mixtures: Tensor, lengths: Tensor | None) -> Tensor:
        frames = F.conv1d(mixtures[:, None], self.encoder.filters, stride=self.hop)
        heard = None if lengths is None else self._heard(lengths, frames)
        if heard is not None:
            frames = frames * heard
        masked = self.masker(frames, heard) * frames[:, None]
        signals = F.conv_transpose1d(masked.flatten(0, 1), self.decoder.filters, stride=self.hop)
        return signals.view(mixtures.shape[0], self.num_sources, -1)

    def _in_tiles(self, mixtures: Tensor, lengths: Tensor | None) -> Tensor:
        lower = torch.is_autocast_enabled("cpu")
        tiled = self._tiled(torch.get_autocast_dtype("cpu") if lower else mixtures.dtype)
        ends = [mixtures.shape[-1]] * len(mixtures) if lengths is None else lengths.tolist()
        estimates = mixtures.new_zeros(len(mixtures), self.num_sources, mixtures.shape[-1])
        with torch.autocast("cpu", enabled=False):  # in the blocks alone, where it pays
            for estimate, mixture, end in zip(estimates, mixtures, ends, strict=True):
                found = tiled(mixture[: max(end, self.arguments.L)])
                estimate[:, : found.shape[-1]] = found
        return estimates

    def _tiled(self, dtype: torch.dtype) -> Tiled:
        """The weights, arranged; those of a frozen network only once.

        Where gradients are wanted, trainers also write to weights unseen, by their `data`.
        """
        weights = list(self.parameters())
        if any(weight.requires_grad or weight.is_inference() for weight in weights):
            return Tiled(self, dtype)
        state = (dtype, *((weight.data_ptr(), weight._version) for weight in weights))
        if self._kept is None or self._kept[0] != state:
            self._kept = state, Tiled(self, dtype)
        return self._kept[1]

    def _heard(self, lengths: Tensor, frames: Tensor) -> Tensor:
        """Ones for the frames that lie within each mixture, else zeros: `[batch, 1, frames]`."""
        ends = (lengths.clamp(min=self.arguments.L) - self.arguments.L) // self.hop + 1
        places = torch.arange(frames.shape[-1], device=frames.device)
        return (places < ends[:, None, None]).to(frames.dtype)

    def get_model_args(self) -> dict[str, Any]:
        """The arguments in asteroid's names, as its checkpoints have them."""
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
        """`[N, 1, L]`."""
        return cast(Tensor, self.filterbank._filters)


class Masker(nn.Module):
    """A mask for each source, from the frames of a mixture."""

    def __init__(self, arguments: Arguments, num_sources: int) -> None:
        super().__init__()
        a = arguments
        self.num_sources, self.sigmoid = num_sources, a.mask == "sigmoid"
        self.bottleneck = nn.Sequential(norm(a, a.N), nn.Conv1d(a.N, a.B, 1))
        self.TCN = nn.ModuleList(Block(a, 2**x) for _ in range(a.R) for x in range(a.X))
        self.mask_net = nn.Sequential(PReLU(), nn.Conv1d(a.Sc or a.B, num_sources * a.N, 1))

    def forward(self, frames: Tensor, heard: Tensor | None = None) -> Tensor:
        """Masks `[batch, sources, N, frames]` of `[batch, N, frames]`."""
        normalise, narrow = self.bottleneck
        residual, skips = narrow(normalise(frames, heard)), None
        for block in self.TCN:
            residual, skips = block(residual, skips, heard)
        scores = self.mask_net(residual if skips is None else skips)
        scores = scores.unflatten(1, (self.num_sources, -1))
        return scores.sigmoid() if self.sigmoid else scores.relu()


class Block(nn.Module):
    """1-D convolutional block: widen, convolve each channel in time, and narrow again (Fig. 1C)."""

    def __init__(self, arguments: Arguments, dilation: int) -> None:
        super().__init__()
        a = arguments
        widen, depthwise = nn.Conv1d(a.B, a.H, 1), Depthwise(a, dilation)
        self.shared_block = nn.Sequential(
            widen,
            PReLU(),
            norm(a, a.H),
            nn.Sequential(depthwise) if a.causal else depthwise,  # asteroid chops behind it
            PReLU(),
            norm(a, a.H),
        )
        self.res_conv = nn.Conv1d(a.H, a.B, 1)
        if a.Sc:
            self.skip_conv = nn.Conv1d(a.H, a.Sc, 1)

    def forward(
        self, residual: Tensor, skips: Tensor | None, heard: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Add to `[batch, B, frames]`, and to `[batch, Sc, frames]` or None."""
        widen, first, normalise, depthwise, second, normalise_again = self.shared_block
        inner = depthwise(normalise(first(widen(residual)), heard))
        inner = normalise_again(second(inner), heard)
        weight, bias = self.narrow()
        outputs = F.conv1d(inner, weight[..., None], bias)
        more, skip = outputs.tensor_split([len(self.res_conv.weight)], dim=1)
        residual = residual + more
        if not skip.shape[1]:
            return residual, None
        return residual, skip if skips is None else skips + skip

    def narrow(self) -> tuple[Tensor, Tensor]:
        """The residual and the skip convolution as one: weight `[B + Sc, H]`, bias `[B + Sc]`."""
        both = [layer for name, layer in self.named_children() if name.endswith("_conv")]
        weight = torch.cat([cast(nn.Conv1d, layer).weight for layer in both])[..., 0]
        return weight, torch.cat([cast(Tensor, layer.bias) for layer in both])

    def layers(self) -> Iterator[nn.Module]:
        """Convolution, PReLU, norm, depthwise convolution, PReLU, norm."""
        for layer in self.shared_block:
            yield layer[0] if isinstance(layer, nn.Sequential) else layer


class Depthwise(nn.Conv1d):
    """A convolution of each channel with itself, as many frames out as in."""

    def __init__(self, arguments: Arguments, dilation: int) -> None:
        a, reach = arguments, (arguments.P - 1) * dilation
        self.before = reach if a.causal else reach - reach // 2  # frames it looks back
        super().__init__(a.H, a.H, a.P, padding=self.before, dilation=dilation, groups=a.H)

    def forward(self, frames: Tensor) -> Tensor:
        """`[batch, H, frames]` to the same; what padding put behind them is cut off."""
        return super().forward(frames)[..., : frames.shape[-1]]


class Norm(nn.Module):
    """Normalise to mean 0 and variance 1, then scale and shift every channel."""

    local: bool  # a frame is normalised by itself

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))


class GlobalNorm(Norm):
    """gLN: over all channels and frames of an item (equation 11)."""

    local = False

    def forward(self, frames: Tensor, heard: Tensor | None = None) -> Tensor:
        """`[batch, channels, frames]` to the same, zero where nothing is `heard`."""
        if heard is None:
            return F.group_norm(frames, 1, self.gamma, self.beta, EPSILON)
        count = heard.sum(-1, keepdim=True) * frames.shape[1]
        centred = (frames - (frames * heard).sum((1, 2), keepdim=True) / count) * heard
        variance = centred.square().sum((1, 2), keepdim=True) / count
        normal = centred * (variance + EPSILON).rsqrt()
        return (normal * self.gamma[:, None] + self.beta[:, None]) * heard


class ChannelNorm(Norm):
    """cLN as asteroid has it: over the channels of each frame, which needs no other frame."""

    local = True

    def forward(self, frames: Tensor, heard: Tensor | None = None) -> Tensor:
        """`[batch, channels, frames]` to the same, zero where nothing is `heard`."""
        columns = frames.transpose(1, 2)
        normal = F.layer_norm(columns, self.gamma.shape, self.gamma, self.beta, EPSILON)
        return normal.transpose(1, 2) if heard is None else normal.transpose(1, 2) * heard


def norm(arguments: Arguments, channels: int) -> Norm:
    """The norm that the arguments ask for."""
    local = arguments.causal or arguments.norm == "cLN"
    return ChannelNorm(channels) if local else GlobalNorm(channels)


def _in_tiles(mixtures: Tensor) -> bool:
    """Whether a pass is one for inference on a CPU, which no compiler looks at."""
    plain = not torch.compiler.is_compiling() and not torch.onnx.is_in_onnx_export()
    return plain and mixtures.device.type == "cpu" and not torch.is_grad_enabled()
