"""Augmentations of fresh mixtures, decided by the draws of a random generator alone.

Each changes the speakers and their sum alike. Late reverberation and the distortion by clipping
count as noise, since a denoiser should remove them. The SNR is set when both are there, so that it
is that of the plan.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import fftconvolve

from pipeline.audio import Samples
from pipeline.audio.levels import power
from pipeline.config.augment import Augment
from pipeline.mixtures.render import SILENCE, snr, snr_gain

EARLY = 0.05
"""Seconds after the direct sound in which reflections help speech, and are kept as part of it."""
SMALLEST_ROOM, LARGEST_ROOM = (3.0, 3.0, 2.5), (8.0, 6.0, 3.5)  # m
MARGIN = 0.5  # m, between a speaker and the walls
MOST_REFLECTIONS = 12  # of one path: 6 ms for three speakers
LOWEST = 50.0  # Hz, of a band that is removed
LATE = 0.5  # largest share of the noise's power that late reverberation has

Place = NDArray[np.float64]
"""In a room: `[3]`, in m."""


def augment(
    sources: Samples,
    noise: Samples,
    wanted: float | None,
    second: Callable[[np.random.Generator], Samples],
    sample_rate: int,
    settings: Augment,
    rng: np.random.Generator,
) -> tuple[Samples, Samples]:
    """Augment one mixture.

    Args:
        sources: `[sources, time]`.
        noise: `[time]`.
        wanted: SNR in dB, as that of `pipeline.mixtures.render.snr`; None keeps the noise's level.
        second: draws another noise, `[time]`.
        sample_rate: Hz.
        settings: which augmentations, and how often.
        rng: of all draws.

    Returns:
        the sources `[sources, time]` and all that is not speech `[time]`.
    """
    chosen = {
        name: value
        for name, value in settings.model_dump(exclude={"chance"}).items()
        if value and rng.random() < settings.chance
    }
    late = np.zeros_like(noise)
    if "remix" in chosen:
        noise = remix(noise, second(rng))
    if "shift" in chosen:
        sources = shift(sources, chosen["shift"], sample_rate, rng)
    if "reverberation" in chosen:
        sources, late = reverberate(sources, chosen["reverberation"], sample_rate, rng)
    if "band_mask" in chosen:
        parts = without_band(
            np.stack([*sources, noise, late]), chosen["band_mask"], sample_rate, rng
        )
        sources, noise, late = parts[:-2], parts[-2], parts[-1]
    level = rng.uniform(*chosen["clipping"]) if "clipping" in chosen else None
    noise = all_noise(sources, noise, late, wanted, level)
    gain = np.float32(10 ** (rng.uniform(*chosen["gain"]) / 20) if "gain" in chosen else 1)
    return sources * gain, noise * gain


def remix(noise: Samples, other: Samples) -> Samples:
    """Add another noise of the same power, and keep the power: `[time]`."""
    both = noise + other * _ratio(noise, other)
    return both * _ratio(noise, both)


def _ratio(one: Samples, other: Samples) -> np.float32:
    """The gain that gives the other signal `[time]` the power of the first."""
    return np.float32(np.sqrt(float(power(one)) / max(float(power(other)), SILENCE)))


def shift(sources: Samples, seconds: float, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Delay each of `[sources, time]` by up to so many seconds, and cut it to its old length."""
    length, late = sources.shape[1], np.zeros_like(sources)
    for source, delayed in zip(sources, late, strict=True):
        start = min(int(rng.integers(round(seconds * sample_rate) + 1)), length)
        delayed[start:] = source[: length - start]
    return late


def reverberate(
    sources: Samples, times: tuple[float, float], sample_rate: int, rng: np.random.Generator
) -> tuple[Samples, Samples]:
    """Put speakers and a microphone into a random room (image method, Allen & Berkley 1979).

    With the impulse response h of a speaker, whose direct sound arrives at t, the source becomes
    g (s * h) of h up to t + 50 ms, and the rest of h gives its late reverberation. Both are moved
    by −t, and g keeps the power of s.

    Args:
        sources: `[sources, time]`.
        times: range of the reverberation time RT60, in s.
        sample_rate: Hz.
        rng: of the room, its RT60 and the places.

    Returns:
        `[sources, time]`, and the late reverberation of all, `[time]`.
    """
    early, late = np.zeros_like(sources), np.zeros_like(sources)
    for k, (response, direct) in enumerate(_responses(len(sources), times, sample_rate, rng)):
        end, length = direct + round(EARLY * sample_rate), sources.shape[1]
        clear = fftconvolve(sources[k], response[:end])[direct : direct + length]
        tail = fftconvolve(sources[k], response[end:])[: max(length + direct - end, 0)]
        early[k, : len(clear)] = clear
        late[k, end - direct : end - direct + len(tail)] = tail
        gain = _ratio(sources[k], early[k])
        early[k] *= gain
        late[k] *= gain
    return early, late.sum(axis=0)


def _responses(
    speakers: int, times: tuple[float, float], sample_rate: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.float64], int]]:
    """The impulse response of each speaker, `[time]`, and the sample of its direct sound."""
    import pyroomacoustics as pra  # here, so that a dry run does not wait for it

    pra.constants.set("num_threads", 1)
    size: Place = rng.uniform(SMALLEST_ROOM, LARGEST_ROOM)
    wall = 2 * float(size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    shortest = 0.17 * float(size.prod()) / wall  # s (Sabine), of walls that absorb nearly all
    time = max(rng.uniform(*times), shortest)
    absorption, order = pra.inverse_sabine(time, size)
    walls = pra.Material(absorption)
    room = pra.ShoeBox(
        size, fs=sample_rate, materials=walls, max_order=min(order, MOST_REFLECTIONS)
    )
    microphone: Place = rng.uniform(MARGIN, size - MARGIN)
    places: list[Place] = [rng.uniform(MARGIN, size - MARGIN) for _ in range(speakers)]
    for place in places:
        room.add_source(place)
    room.add_microphone(microphone)
    room.compute_rir()
    before = pra.constants.get("frac_delay_length") // 2  # samples of the filter before its peak
    ways = (np.linalg.norm(place - microphone) / room.c for place in places)
    direct = [round(way * sample_rate) + before for way in ways]
    return list(zip(room.rir[0], direct, strict=True))


def without_band(
    signals: Samples, share: float, sample_rate: int, rng: np.random.Generator
) -> Samples:
    """Remove a random band from signals `[signals, time]`, up to this share of the mel scale wide.

    The mel of f Hz is 2595 lg(1 + f / 700) (O'Shaughnessy 1987). A band-stop as in Défossez et al.
    (2020, arXiv:2006.12847, section 2.4).
    """
    from julius import bandpass_filter

    lowest, top = _mel(LOWEST), _mel(sample_rate / 2)
    width = rng.uniform(0, share) * (top - lowest)
    low = rng.uniform(lowest, top - width)
    first, last = (_hertz(mel) / sample_rate for mel in (low, low + width))
    given = torch.from_numpy(np.ascontiguousarray(signals, np.float32))
    return (given - bandpass_filter(given, first, last)).numpy()


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))


def all_noise(
    sources: Samples,
    noise: Samples,
    late: Samples,
    wanted: float | None = None,
    level: float | None = None,
) -> Samples:
    """Return all that is not speech, `[time]`: clip(Σ s_k + g noise + late) − Σ s_k.

    The gain g is such that this is at the SNR. Late reverberation has at most half the power that
    the SNR allows; else it is lowered. Where clipping does not let the SNR be reached, its level is
    raised in steps of 2 dB.

    Args:
        sources: `[sources, time]`.
        noise: `[time]`.
        late: late reverberation, `[time]`.
        wanted: SNR in dB; None leaves g = 1.
        level: of the clipping, in dB relative to the peak of the mixture; None for no clipping.
    """
    first = 1.0
    if wanted is not None:
        allowed = float(power(sources).max()) / 10 ** (wanted / 10)
        excess = float(power(late)) / (LATE * max(allowed, SILENCE))
        late = late / np.float32(np.sqrt(max(excess, 1)))
        first = snr_gain(sources, noise, wanted)
    if level is None and not late.any():
        return noise * np.float32(first)
    clean = sources.sum(axis=0)

    def total(gain: float, limit: float) -> Samples:
        mixed = clean + np.float32(gain) * noise + late
        return mixed.clip(-limit, limit) - clean

    def missed(gain: float, limit: float) -> float:
        return snr(sources, total(gain, limit)) - float(wanted or 0)

    peak = float(abs(clean + np.float32(first) * noise + late).max())
    limit = np.inf if level is None else peak * 10 ** (level / 20)
    if wanted is None:
        return total(1.0, limit)
    largest = 4 * first
    while not missed(0, limit) > 0 > missed(largest, limit):
        if limit >= 100 * peak:
            return total(first, np.inf)  # a speaker or the noise is silent
        limit *= 10 ** (2 / 20)
    return total(brentq(missed, 0, largest, (limit,), xtol=1e-5 * first, rtol=1e-5), limit)
