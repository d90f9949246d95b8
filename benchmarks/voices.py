"""Fit the space of voices by which the tracker tells speakers apart, and see what it can tell.

    python benchmarks/voices.py results/corpora/speech.csv --write

The manifest is that of a run at 8 kHz. Stretches of the utterances of train speakers give the
discriminant directions; of dev speakers with five utterances or more, half of the utterances give
a mean voice each, and the stretches of the other half are given to the nearer one of two voices.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from tqdm import tqdm

from pipeline import audio
from pipeline.base.files import read_manifest
from pipeline.inference.tracker import voices
from pipeline.inference.tracker.voices import Space, Vector, statistics

RATE = 8000
STRETCH = 2.5  # s of a stretch, in which the scatter of a speaker becomes about 1
DIMENSIONS = 20
SHRINKAGE = 0.05  # share of the diagonal in the scatter, which has few degrees of freedom
LENGTHS = (1.0, 2.0, 3.0, 5.0)  # s
FEWEST = 5  # utterances of a speaker who is told from others


def main() -> None:
    """Fit, print the share of errors, and write the constants if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("speech", type=Path, help="results/corpora/speech.csv")
    parser.add_argument("--write", action="store_true", help="write the constants of the tracker")
    options = parser.parse_args()
    table = read_manifest(options.speech)
    fitted = fit(*stretches(table.query("split == 'train'"), STRETCH))
    fitted = fitted._replace(scatter=scatters(table.query("split == 'train'"), fitted))
    print("| s of speech | the other one of two voices is nearer |\n|---|---|")
    dev = table.query("split == 'dev'")
    dev = dev[dev.groupby("speaker")["utterance"].transform("size") >= FEWEST]
    for seconds in LENGTHS:
        print(f"| {seconds:g} | {100 * confused(dev, fitted, seconds):.1f} % |")
    if options.write:
        write(fitted, voices.CONSTANTS)


def stretches(table: pd.DataFrame, seconds: float) -> tuple[Vector, Vector]:
    """Statistics of all stretches of so many seconds, `[stretches, statistics]`; whose they are.

    Speakers are numbered in the order of their names, also those without such a stretch.
    """
    samples, found, whose = round(seconds * RATE), [], []
    for row in tqdm(table.itertuples(), f"{seconds:g} s", len(table), disable=None):
        said = audio.read_at(str(row.path), RATE)
        for start in range(0, len(said) - samples + 1, samples):
            found.append(statistics(said[start : start + samples], RATE))
            whose.append(str(row.speaker))
    return np.array(found), np.searchsorted(np.unique(table["speaker"].astype(str)), whose)


def fit(given: Vector, whose: Vector) -> Space:
    """Directions v of the largest ratio vᵀ B v / vᵀ W v, with W and B of `_covariances`."""
    mean = given.mean(axis=0)
    within, between = _covariances(given - mean, whose)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.diag(np.diag(within))
    spread, directions = eigh(between, within)  # directions scaled to vᵀ W v = 1
    last = slice(None, -DIMENSIONS - 1, -1)
    return Space(mean, directions[:, last], spread[last], np.array([1.0, 0.0]))


def _covariances(given: Vector, whose: Vector) -> tuple[Vector, Vector]:
    """Covariances of stretches about their speakers, and of speakers."""
    present, whose = np.unique(whose, return_inverse=True)
    means = np.array([given[whose == k].mean(axis=0) for k in range(len(present))])
    apart = given - means[whose]
    return apart.T @ apart / (len(given) - len(means)), means.T @ means / len(means)


def scatters(table: pd.DataFrame, fitted: Space) -> Vector:
    """a and b of the variance a + b / T of stretches of T seconds, by least squares."""
    variances = []
    for seconds in LENGTHS[:3]:
        given, whose = stretches(table, seconds)
        within, _ = _covariances((given - fitted.mean) @ fitted.directions, whose)
        variances.append(np.trace(within) / len(within))
    inverse = np.stack([np.ones(3), 1 / np.array(LENGTHS[:3])], axis=1)
    return np.linalg.lstsq(inverse, np.array(variances), rcond=None)[0]


def confused(table: pd.DataFrame, fitted: Space, seconds: float) -> float:
    """Share of stretches that are nearer to the mean voice of another speaker, over all pairs."""
    order = table.groupby("speaker").cumcount()
    halves = order < table.groupby("speaker")["utterance"].transform("size") // 2
    given, whose = stretches(table[halves], STRETCH)
    tested, theirs = stretches(table[~halves], seconds)
    known, asked = ((e - fitted.mean) @ fitted.directions for e in (given, tested))
    means = np.array([known[whose == k].mean(axis=0) for k in range(whose.max() + 1)])
    distances = ((asked[:, None] - means) ** 2).sum(axis=2)
    own = distances[np.arange(len(theirs)), theirs][:, None]
    return float((distances < own).sum() / (len(theirs) * (len(means) - 1)))


def write(fitted: Space, path: Path) -> None:
    """Write the constants as `voices.space` reads them."""
    rows = np.zeros((2 + DIMENSIONS, len(fitted.mean) + 1))
    rows[0, :-1], rows[1, :2] = fitted.mean, fitted.scatter
    rows[2:, :-1], rows[2:, -1] = fitted.directions.T, fitted.spread
    np.savetxt(path, rows, "%.5g", ",")


if __name__ == "__main__":
    main()
