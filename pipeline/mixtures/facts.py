"""Facts of a mixture's signals: each source against the rest, overlap of speech, loudness."""

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.loudness import loudness
from pipeline.mixtures.names import Signal

EPS = 1e-10  # added by LibriMix before divisions and logarithms
FRAME_SECONDS = 0.02
PAUSE_DB = 40.0  # a frame this far below the loudest frame of its source is a pause


def mixture_facts(signals: dict[str, Signal], sample_rate: int, most: int = 0) -> dict[str, float]:
    """Describe a mixture by its signals as written.

    Args:
        signals: `s1`, `s2`, … and `noise`, each `[time]`; other signals are ignored.
        sample_rate: Hz.
        most: sources that have facts in the table; NaN for those that the mixture lacks.

    Returns:
        in dB, `source_<k>_snr` and `noise_both_snr`, each against all other signals in mix_both,
        `source_<k>_clean_snr` in mix_clean, `source_1_single_snr` and `noise_single_snr` in
        mix_single; `source_<k>_lufs` and `noise_lufs`, NaN where undefined; `overlap_ratio`.
    """
    sources = [signals[f"s{k}"] for k in range(1, 1 + sum(name[0] == "s" for name in signals))]
    read = [np.asarray(samples, np.float32) for samples in (*sources, signals["noise"])]
    products = np.array([[np.dot(a, b) for b in read] for a in read], np.float64) / len(read[0])
    both, clean = snrs(products), snrs(products[:-1, :-1])
    single = snrs(products[np.ix_([0, -1], [0, -1])])
    loud = [loudness(samples, sample_rate) for samples in read]
    return (
        {f"source_{k}_snr": snr for k, snr in enumerate(both[:-1], 1)}
        | {f"source_{k}_clean_snr": snr for k, snr in enumerate(clean, 1)}
        | {"source_1_single_snr": single[0], "noise_both_snr": both[-1]}
        | {"noise_single_snr": single[1], "noise_lufs": loud[-1]}
        | {f"source_{k}_lufs": lufs for k, lufs in enumerate(loud[:-1], 1)}
        | {"overlap_ratio": overlap_ratio(read[:-1], sample_rate)}
        | {
            f"source_{k}_{fact}": np.nan
            for k in range(len(sources) + 1, most + 1)
            for fact in ("snr", "clean_snr", "lufs")
        }
    )


def snrs(products: NDArray[np.float64]) -> list[float]:
    """Return the level of each signal against the sum of all others, in dB: `[signals]`.

    SNR_k = 10 lg(P_k / (P_others + ε) + ε) with ε = `EPS`, as in the metrics of LibriMix.

    Args:
        products: `[signals, signals]`, the mean over time of x_i · x_j.

    >>> [round(snr, 2) for snr in snrs(np.diag([1.0, 10.0]))]
    [-10.0, 10.0]
    """
    # The power of a sum is the sum of all products of its terms.
    others = [np.delete(np.delete(products, k, 0), k, 1).sum() for k in range(len(products))]
    return (10 * np.log10(np.diag(products) / (np.array(others) + EPS) + EPS)).tolist()


def overlap_ratio(sources: list[Signal], sample_rate: int) -> float:
    """Return the share of the time with speech in which two or more sources speak, 0 to 1.

    The share is #{frames with two or more active sources} / #{frames with one or more}. Frames have
    20 ms; a source `[time]` is active where its energy is within 40 dB of its own loudest frame.
    """
    samples = round(FRAME_SECONDS * sample_rate)
    power = np.stack([_frame_power(source, samples) for source in sources])
    active = power > power.max(axis=1, keepdims=True) * 10 ** (-PAUSE_DB / 10)
    speaking = active.sum(axis=0)
    return float((speaking > 1).sum() / max(1, (speaking > 0).sum()))


def _frame_power(samples: Signal, frame: int) -> Signal:
    """Mean power of `[time]` in frames of `frame` samples, the last zero-padded: `[frames]`."""
    whole = len(samples) // frame * frame
    frames = samples[:whole].reshape(-1, frame)
    last = np.square(samples[whole:]).sum()
    return np.append(np.einsum("ft,ft->f", frames, frames), last) / frame
