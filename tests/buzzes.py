"""Voices of tests: buzzes through formants."""

import numpy as np


def buzz(voice: int, seconds: float = 2.0, seed: int = 0, rate: int = 8000) -> np.ndarray:
    """Syllables of a voice with a pitch and formants of its own, `[time]`."""
    of_voice, rng = np.random.default_rng(voice), np.random.default_rng([voice, seed])
    pitch, formants = of_voice.uniform(90, 250), of_voice.uniform(300, 3500, 3)
    time = np.arange(int(seconds * rate)) / rate
    harmonics = np.arange(1, int(3900 / pitch)) * pitch
    gains = np.exp(-0.5 * ((harmonics[:, None] - formants) / 200) ** 2).sum(axis=1) + 0.01
    phases = rng.uniform(0, 6, len(harmonics))
    tones = np.sin(2 * np.pi * harmonics[:, None] * time + phases[:, None])
    said = gains @ tones * (0.3 + np.sin(2 * np.pi * 2 * time) ** 2)
    said += 0.01 * rng.standard_normal(len(said))
    return (0.1 * said / said.std()).astype(np.float32)
