"""Noise of the demo corpus: babble, broadband, hum and clatter, each file generated anew."""

import math
from typing import Literal, get_args

import numpy as np

from pipeline.audio import Samples
from pipeline.corpora.espeak import ACCENTS, SAMPLE_RATE, Line, sentences, speak

Kind = Literal["babble", "broadband", "hum", "clatter"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Voices of no speaker of the corpus: the voices of babble must not be targets of a model.
BABBLERS = ("klatt3", "klatt5", "edward2", "Michael", "m5", "pedro", "steph", "steph2")

LEVEL_DB = (-36.0, -24.0)  # RMS, dB below full scale
PEAK = 0.9


def kind_of(index: int) -> Kind:
    """Return the kind of the noise at `index` of a split: the kinds alternate."""
    return KINDS[index % len(KINDS)]


def make_noise(kind: Kind, samples: int, rng: np.random.Generator) -> Samples:
    """Make one noise, `[samples]` at 16 kHz, with an RMS of -36…-24 dB and a peak of at most 0.9.

    Raises:
        PipelineError: babble without espeakng-loader.
    """
    makers = {"babble": babble, "broadband": broadband, "hum": hum, "clatter": clatter}
    noise = makers[kind](samples, rng)
    gain = _ratio(rng.uniform(*LEVEL_DB)) / _rms(noise)
    return (noise * min(gain, PEAK / np.abs(noise).max())).astype(np.float32)


def babble(samples: int, rng: np.random.Generator) -> Samples:
    """Make six to ten simultaneous voices, near and far, `[samples]`."""
    texts = sentences()
    each = math.ceil(samples / SAMPLE_RATE / 2) + 1  # a sentence lasts 2 s at least
    voices = int(rng.integers(6, 11))
    lines = [
        Line(*_babbler(rng), texts[number])
        for _ in range(voices)
        for number in rng.integers(len(texts), size=each)
    ]
    said = speak(lines, int(rng.integers(1, 2**31)))
    crowd = np.zeros(samples, np.float32)
    for voice in range(voices):
        track = np.concatenate(said[voice * each : (voice + 1) * each])
        track = np.resize(np.roll(track, rng.integers(len(track))), samples)
        crowd += _ratio(rng.normal(0, 3)) * track / _rms(track)
    return crowd


def broadband(samples: int, rng: np.random.Generator) -> Samples:
    """Make noise between white and brown with random bands and slow swells, `[samples]`."""
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    audible = np.maximum(frequency, 40)
    slope = rng.uniform(0, 2)  # power falls as 1/f^slope: white 0, pink 1, brown 2
    bands = np.geomspace(40, SAMPLE_RATE / 2, 9)
    shape_db = np.interp(np.log(audible), np.log(bands), rng.normal(0, 6, len(bands)))
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= audible ** (-slope / 2) * _ratio(shape_db) * (frequency > 30)
    noise = np.fft.irfft(spectrum, samples)
    return (_unit(noise) * _swell(samples, rng)).astype(np.float32)


def hum(samples: int, rng: np.random.Generator) -> Samples:
    """Make mains hum of 50 or 60 Hz with harmonics and a faint hiss, `[samples]`."""
    time = np.arange(samples) / SAMPLE_RATE
    mains = rng.choice([50.0, 60.0]) * (1 + rng.normal(0, 0.001))
    falloff = rng.uniform(0.4, 1.2)
    tone = np.sin(2 * np.pi * mains * time)
    for harmonic in range(2, int(rng.integers(20, 61))):
        amplitude = harmonic**-falloff * _ratio(rng.normal(0, 5))
        phase = rng.uniform(0, 2 * np.pi)
        tone += amplitude * np.sin(2 * np.pi * harmonic * mains * time + phase)
    tone = _unit(tone * _swell(samples, rng, depth_db=1.0))
    hiss = _unit(broadband(samples, rng)) * _ratio(rng.uniform(-25, -12))
    return (tone + hiss).astype(np.float32)


def clatter(samples: int, rng: np.random.Generator) -> Samples:
    """Make impacts of a few objects, ringing and decaying in a quiet room, `[samples]`."""
    room = _ratio(rng.uniform(-35, -25)) * _unit(broadband(samples, rng))
    objects = [_object(rng) for _ in range(rng.integers(3, 7))]
    noise = np.zeros(samples)
    for _ in range(1 + rng.poisson(rng.uniform(3, 9) * samples / SAMPLE_RATE)):
        ring = objects[rng.integers(len(objects))] * _ratio(rng.uniform(-18, 0))
        start = rng.integers(samples)
        ring = ring[: samples - start]
        noise[start : start + len(ring)] += ring
    return (_unit(noise) + room).astype(np.float32)


def _babbler(rng: np.random.Generator) -> tuple[str, str, int, int]:
    """Accent, variant, pitch and rate of a voice of the babble."""
    accent, variant = str(rng.choice(ACCENTS)), str(rng.choice(BABBLERS))
    return accent, variant, int(rng.integers(20, 85)), int(rng.integers(140, 200))


def _object(rng: np.random.Generator) -> np.ndarray:
    """The sound of one object when it is struck: a click and a few resonances, 0.5 s."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    click = rng.standard_normal(len(time)) * np.exp(-time / 0.002)
    modes = int(rng.integers(3, 8))
    frequencies = rng.uniform(250, 7000, modes)[:, None]
    decays = np.geomspace(0.01, 0.15, 100)[rng.integers(100, size=modes)][:, None]
    phases = rng.uniform(0, 2 * np.pi, (modes, 1))
    rings = np.sin(2 * np.pi * frequencies * time + phases) * np.exp(-time / decays)
    return click + rng.uniform(0.3, 1, (modes, 1)).T.dot(rings)[0]


def _swell(samples: int, rng: np.random.Generator, depth_db: float = 5.0) -> np.ndarray:
    """A gain that varies by about `depth_db` around 1, one to ten turns in 5 s, `[samples]`."""
    seconds = samples / SAMPLE_RATE
    knots = 2 + math.ceil(seconds * rng.uniform(0.2, 2))
    places = np.linspace(0, samples, knots)
    return _ratio(np.interp(np.arange(samples), places, rng.normal(0, depth_db, knots)))


def _ratio(db: float | np.ndarray) -> np.ndarray:
    return np.power(10.0, np.asarray(db) / 20)


def _rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) + 1e-12


def _unit(signal: np.ndarray) -> np.ndarray:
    """Scale the signal to an RMS of 1."""
    return signal / _rms(signal)
