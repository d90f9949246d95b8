"""The network of TIGER."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.tiger import Arguments
from pipeline.models.tiger.bands import EPSILON, Masks, Split, runs, widths
from pipeline.models.tiger.paths import PATHS


class Tiger(nn.Module):
    """Features of each band and frame of an STFT, blocks over both, and complex masks.

    The masks of the sources do not add up to 1, as they do in the paper's code: what is left of a
    noisy mixture is noise. Frames behind a recording's end are zeros. A mixture is divided by its
    standard deviation before its features are taken, so that its level changes nothing.
    """

    window: Tensor

    def __init__(self, arguments: Arguments, num_sources: int, sample_rate: int) -> None:
        super().__init__()
        a = arguments
        window, self.hop = (
            max(round(ms * sample_rate / 1000), least)
            for ms, least in ((a.window_ms, 2), (a.hop_ms, 1))
        )
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.runs = list(runs(widths(a.bands, window, sample_rate)))
        self.split = nn.ModuleList(Split(*run, a.features) for run in self.runs)
        self.blocks = nn.ModuleList(Block(a) for _ in range(1 if a.shared else a.blocks))
        self.times = a.blocks if a.shared else 1
        self.again = Again(a.features) if a.shared else None
        self.masks = nn.ModuleList(Masks(*run, a.features, num_sources) for run in self.runs)

    def forward(self, mixtures: Tensor) -> Tensor:
        """Estimate the sources: `[batch, time]` to `[batch, sources, time]`."""
        spectra = self._spectra(mixtures)
        scales = mixtures.std(-1, correction=0)[:, None, None, None] + EPSILON
        bins = [bands * width for bands, width in self.runs]
        parts = (torch.view_as_real(spectra) / scales).split(bins, 1)
        features = torch.cat([split(p) for split, p in zip(self.split, parts, strict=True)], 1)
        features = self._blocks(features)
        parts = features.split([bands for bands, _ in self.runs], 1)
        masks = torch.cat([mask(p) for mask, p in zip(self.masks, parts, strict=True)], 2)
        return self._signals(masks * spectra[:, None], mixtures.shape[-1])

    def _blocks(self, features: Tensor) -> Tensor:
        """`[batch, bands, frames, features]` after all blocks; shared ones hear the input again."""
        first = features
        for time in range(self.times):
            if time and self.again is not None:
                features = self.again(first + features)
            for block in self.blocks:
                features = block(features)
        return features

    def _spectra(self, mixtures: Tensor) -> Tensor:
        """The STFT `[batch, bins, frames]`.

        Zeros stand behind the recording. Otherwise its last samples might lie in the last frame
        alone, where the window is nearly 0, and the inverse would divide by that.
        """
        mixtures = F.pad(mixtures, (0, self.hop))
        size, window = len(self.window), self.window
        given = mixtures, size, self.hop, size, window
        return torch.stft(*given, pad_mode="constant", return_complex=True)

    def _signals(self, spectra: Tensor, time: int) -> Tensor:
        """The signals `[batch, sources, time]` of STFTs `[batch, sources, bins, frames]`."""
        size, window = len(self.window), self.window
        signals = torch.istft(spectra.flatten(0, 1), size, self.hop, size, window, length=time)
        return signals.unflatten(0, spectra.shape[:2])


class Block(nn.Module):
    """A path along the bands of each frame, then one along the frames of each band."""

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        path = PATHS[arguments.path]
        self.bands, self.frames = path(arguments), path(arguments)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, bands, frames, features]`."""
        x = x + self.bands(x.transpose(1, 2)).transpose(1, 2)
        return x + self.frames(x)


class Again(nn.Module):
    """A gain and a shift for each feature, and PReLU: where shared blocks begin again."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain, self.shift = (
            nn.Parameter(torch.ones(features)),
            nn.Parameter(torch.zeros(features)),
        )
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `[…, features]`."""
        return self.prelu(x * self.gain + self.shift)
