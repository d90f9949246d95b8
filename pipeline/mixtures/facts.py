"""Facts of a mixture's signals: each source against the rest, overlap of speech, loudness."""

from functools import lru_cache

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.signal import sosfilt

from pipeline.mixtures.names import Signal

EPS = 1e-10  # what LibriMix adds before it divides and takes logarithms
FRAME_SECONDS = 0.02
PAUSE_DB = 40.0  # a frame this far below its source's loudest is a pause
HOP_SECONDS = 0.1  # of the blocks of ITU-R BS.1770, of four hops each
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS; dB below the mean of what passes the first
K_OFFSET = -0.691  # LUFS of unit power
DITHER = 1e-20  # keeps a filter that rings out in digital silence off denormals, ten times slower


def mixture_facts(signals: dict[str, Signal], sample_rate: int) -> dict[str, float]:
    """Describe a mixture by its signals as written.

    Args:
        signals: `s1`, `s2`, … and `noise`, each `[time]`; others are not looked at.
        sample_rate: Hz.

    Returns:
        in dB, `source_<k>_snr` and `noise_both_snr`, each against all else in mix_both,
        `source_<k>_clean_snr` in mix_clean, `source_1_single_snr` and `noise_single_snr` in
        mix_single; `source_<k>_lufs` and `noise_lufs`, NaN where undefined; `overlap_ratio`.
    """
    sources = [signals[f"s{k}"] for k in range(1, 1 + sum(name[0] == "s" for name in signals))]
    heard = [np.asarray(samples, np.float32) for samples in (*sources, signals["noise"])]
    products = np.array([[np.dot(a, b) for b in heard] for a in heard], np.float64) / len(heard[0])
    both, clean = snrs(products), snrs(products[:-1, :-1])
    single = snrs(products[np.ix_([0, -1], [0, -1])])
    loud = [loudness(samples, sample_rate) for samples in heard]
    return (
        {f"source_{k}_snr": snr for k, snr in enumerate(both[:-1], 1)}
        | {f"source_{k}_clean_snr": snr for k, snr in enumerate(clean, 1)}
        | {"source_1_single_snr": single[0], "noise_both_snr": both[-1]}
        | {"noise_single_snr": single[1], "noise_lufs": loud[-1]}
        | {f"source_{k}_lufs": lufs for k, lufs in enumerate(loud[:-1], 1)}
        | {"overlap_ratio": overlap_ratio(heard[:-1], sample_rate)}
    )


def snrs(products: NDArray[np.float64]) -> list[float]:
    """Level of each signal against the sum of all others, in dB, as LibriMix's metrics have it.

    Args:
        products: `[signals, signals]`, mean over time of the product of any two.
    """
    # The power of a sum is the sum of all products of its terms.
    others = [np.delete(np.delete(products, k, 0), k, 1).sum() for k in range(len(products))]
    return (10 * np.log10(np.diag(products) / (np.array(others) + EPS) + EPS)).tolist()


def overlap_ratio(sources: list[Signal], sample_rate: int) -> float:
    """Share of the time with speech in which two or more sources, each `[time]`, speak, 0 to 1.

    Judged by energy in frames of 20 ms: a source speaks where it is within 40 dB of its own
    loudest frame.
    """
    samples = round(FRAME_SECONDS * sample_rate)
    power = np.stack([_frame_power(source, samples) for source in sources])
    active = power > power.max(axis=1, keepdims=True) * 10 ** (-PAUSE_DB / 10)
    speaking = active.sum(axis=0)
    return float((speaking > 1).sum() / max(1, (speaking > 0).sum()))


def loudness(samples: Signal, sample_rate: int) -> float:
    """Integrated loudness of `[time]` in LUFS (ITU-R BS.1770-4), twice as fast as pyloudnorm.

    NaN below 0.4 s and where every block is gated.
    """
    hop = round(HOP_SECONDS * sample_rate)
    if len(samples) < 4 * hop:
        return float("nan")
    weighted = sosfilt(_k_weighting(sample_rate), samples + np.float32(DITHER))
    hops = _frame_power(weighted, hop)[: round(len(samples) / hop)]
    return _gated(np.convolve(hops, np.full(4, 0.25), "valid"))


def _gated(power: NDArray[np.float64]) -> float:
    """Loudness of the mean power of the blocks that pass both gates."""
    loud = power[_lufs(power) >= ABSOLUTE_GATE]
    if not len(loud):
        return float("nan")
    return float(_lufs(loud[_lufs(loud) > _lufs(loud.mean()) + RELATIVE_GATE].mean()))


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return K_OFFSET + 10 * np.log10(np.maximum(power, 1e-30))


def _frame_power(samples: Signal, frame: int) -> Signal:
    """Mean power of `[time]` in frames of so many samples, zeros filling the last: `[frames]`."""
    whole = len(samples) // frame * frame
    frames = samples[:whole].reshape(-1, frame)
    last = np.square(samples[whole:]).sum()
    return np.append(np.einsum("ft,ft->f", frames, frames), last) / frame


@lru_cache
def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """pyloudnorm's two filters of the K weighting as second-order sections."""
    stages = pyloudnorm.Meter(sample_rate)._filters.values()
    return np.stack([np.concatenate([stage.passband_gain * stage.b, stage.a]) for stage in stages])
