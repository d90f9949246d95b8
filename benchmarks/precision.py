"""The loss of SI-SDR by bf16: the networks of a finished run on its noisy test mixtures.

    python benchmarks/precision.py results

Every network processes each mixture in fp32 and in bf16, on the device that `auto` finds. The
output gives the noise that bf16 adds, relative to the estimates; the difference of the mean SI-SDR;
and the largest difference of a mixture, with the order of sources that fits its fp32 estimates.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from pipeline import audio
from pipeline.base.files import read_manifest
from pipeline.config import Machine
from pipeline.evaluation.metrics import Signals, permutation, si_sdr
from pipeline.inference.estimator import Estimator, load_estimator
from pipeline.mixtures.names import source_names
from pipeline.models.card import Card, read_card
from pipeline.models.devices import describe, open_device
from pipeline.models.signals import Inputs

Row = dict[str, Any]


class Compared(NamedTuple):
    """Results of a mixture in dB: noise that bf16 adds, SI-SDR in fp32, SI-SDR in bf16."""

    noise: float
    exact: float
    rounded: float


def main() -> None:
    """Compare, and print a row for each network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    device = open_device(Machine(threads=options.threads))
    rows = read_manifest(options.results / "mixtures/test/mixtures.csv").to_dict("records")
    print(f"{len(rows)} mixtures on {describe(device)}\n")
    print("| network | noise, dB | SI-SDR in fp32, dB | in bf16 less | at most, a mixture |")
    print("|---|---|---|---|---|")
    models = options.results / "models"
    for weights in sorted(models.rglob("model.safetensors")):
        card = read_card(weights)
        given = weights, card.num_sources, card.sample_rate, device
        exact, rounded = (load_estimator(*given, precision) for precision in ("fp32", "bf16"))
        if rounded.precision != "bf16":
            sys.exit("this device has no bf16 instructions: nothing to compare")
        shown = tqdm(rows, str(weights.parent.relative_to(models)), leave=False, disable=None)
        found = [_compare(exact, rounded, row, card) for row in shown]
        _report(weights.parent.relative_to(models), found)


def _compare(exact: Estimator, rounded: Estimator, row: Row, card: Card) -> Compared:
    """Apply both to a noisy mixture."""
    names = ["mix_clean"] if card.num_sources == 1 else source_names(row)
    mixture, *sources = (
        audio.read_at(row[f"{name}_path"], card.sample_rate) for name in ("mix_both", *names)
    )
    references = np.stack(sources)
    one, other = (_estimate(estimator, mixture) for estimator in (exact, rounded))
    order = permutation(references, one)
    noise = 10 * np.log10(np.square(one - other).sum() / np.square(one).sum())
    values = (float(si_sdr(references, found[order]).mean()) for found in (one, other))
    return Compared(float(noise), *values)


def _estimate(estimator: Estimator, mixture: Signals) -> Signals:
    """Estimate the sources `[sources, time]` of `[time]`."""
    samples, _ = estimator.start(Inputs(torch.from_numpy(mixture)[None]))()
    return samples[0]


def _report(name: Path, found: list[Compared]) -> None:
    noise, exact, rounded = np.array(found).T
    lost = exact - rounded
    print(
        f"| {name} | {np.median(noise):.1f} | {exact.mean():.2f} | {lost.mean():.4f}"
        f" | {np.abs(lost).max():.3f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
