"""One gain over time and frequency for all channels of a recording."""

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples

WINDOW = 0.032  # seconds
OVERLAPS = 4  # windows over each sample
LEAST = 1e-12  # power of a bin of the mixture, below which nothing is kept


class SharedGains:
    """Applies what a network does to the mean of all channels to each of them.

    With the STFT X_c of channel c, D of their mean and E of an estimate that was made from the
    mean, the estimate of a channel is the inverse STFT of

        M X_c,  M = Re(E D*) / |D|², limited to 0…1,

    which is the real gain that brings D closest to E (phase-sensitive mask, Erdogan et al. 2015,
    ICASSP, doi:10.1109/ICASSP.2015.7178061). Directions of sources are kept, since M is the same
    for all channels. Windows are square roots of Hann's, before and after.

    Args:
        sample_rate: of all signals, in Hz.
        channels: number of channels.
        sources: number of estimates.
    """

    def __init__(self, sample_rate: int, channels: int, sources: int) -> None:
        self._hop = max(1, round(WINDOW * sample_rate / OVERLAPS))
        self._size = OVERLAPS * self._hop
        self._window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._size) / self._size))
        self._channels = channels
        past = self._size - self._hop
        self._signals = np.zeros((channels + sources, past), np.float32)
        self._sums = np.zeros((sources, channels, past))
        self._skip = past  # samples before the beginning

    def push(self, block: Samples, estimates: Samples) -> Samples:
        """The next block `[time, channels]` and the estimates `[sources, time]` of its mean.

        Returns:
            What is settled, `[sources, time', channels]`.
        """
        return self._pass(np.concatenate([block.T, estimates]))

    def finish(self, left: int) -> Samples:
        """The last `left` samples, `[sources, left, channels]`, which are not returned yet."""
        rest = -(self._signals.shape[1] - (self._size - self._hop)) % self._hop
        zeros = np.zeros((len(self._signals), rest + self._size - self._hop), np.float32)
        return self._pass(zeros)[:, :left]

    def _pass(self, signals: Samples) -> Samples:
        self._signals = np.concatenate([self._signals, signals], axis=1)
        frames = (self._signals.shape[1] - self._size) // self._hop + 1
        if frames < 1:
            return np.zeros((len(self._sums), 0, self._channels), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._signals, self._size, axis=1)
        spectra = np.fft.rfft(windows[:, : frames * self._hop : self._hop] * self._window)
        masked = self._masks(spectra)[:, None] * spectra[None, : self._channels]
        pieces = np.fft.irfft(masked, self._size) * (self._window * 2 / OVERLAPS)
        self._signals = self._signals[:, frames * self._hop :]
        return self._added(pieces)

    def _masks(self, spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Gains `[sources, frames, bins]`."""
        mean = spectra[: self._channels].mean(axis=0)
        power = np.square(np.abs(mean))
        alike = (spectra[self._channels :] * mean.conj()).real
        return np.clip(alike / np.maximum(power, LEAST), 0, 1)

    def _added(self, pieces: NDArray[np.float64]) -> Samples:
        """Overlapping pieces `[sources, channels, frames, size]` added; the settled samples."""
        frames, hop = pieces.shape[2], self._hop
        parts = pieces.reshape(*pieces.shape[:3], OVERLAPS, hop)
        sums = np.zeros((*pieces.shape[:2], frames + OVERLAPS - 1, hop))
        for k in range(OVERLAPS):
            sums[:, :, k : k + frames] += parts[:, :, :, k]
        whole = sums.reshape(*pieces.shape[:2], -1)
        whole[:, :, : self._sums.shape[2]] += self._sums
        self._sums = whole[:, :, frames * hop :]
        settled = whole[:, :, self._skip : frames * hop]
        self._skip = max(0, self._skip - frames * hop)
        return settled.transpose(0, 2, 1).astype(np.float32)
