"""Time of mixing and scoring against the number of speakers, on one core.

    python benchmarks/speakers.py results/corpora

The folder holds `speech.csv` and `noise.csv` at the rate of `config.yaml`. For 2 to 5 speakers,
test mixtures are planned, rendered and scored by all metrics (estimates are sources with some of
the others), and fresh training mixtures of 3 s are drawn. Numbers of speakers take turns; figures
are medians.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import get_args

import numpy as np
import yaml
from threadpoolctl import threadpool_limits

from pipeline import audio
from pipeline.base.files import read_manifest
from pipeline.config import Config, Metric, load_config
from pipeline.evaluation.metrics import score_item
from pipeline.mixtures.names import source_names
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard
from pipeline.tasks import SEPARATE
from pipeline.training.dynamic import FreshMixtures, fresh_mixtures

ROOT = Path(__file__).parents[1]
SPEAKERS = (2, 3, 4, 5)


def main() -> None:
    """Measure in turns, then print a row for each number of speakers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path, help="folder of speech.csv and noise.csv")
    parser.add_argument("--mixtures", type=int, default=20, help="rendered and scored in a pass")
    parser.add_argument("--items", type=int, default=200, help="drawn afresh in a pass")
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    found: dict[int, list[tuple[float, ...]]] = {speakers: [] for speakers in SPEAKERS}
    with threadpool_limits(1):
        for _ in range(options.passes):
            for speakers, rates in found.items():
                rates.append(_rates(options, _config(speakers, options.mixtures)))
    print("| speakers | rendered, s of sound a second | fresh, mixtures a second | scored |")
    print("|---|---|---|---|")
    for speakers, rates in found.items():
        rendered, fresh, scored = (statistics.median(each) for each in zip(*rates, strict=True))
        print(f"| {speakers} | {rendered:.0f} | {fresh:.0f} | {scored:.0f} |")


def _config(speakers: int, mixtures: int) -> Config:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["mixtures"]["counts"]["test"] = mixtures
    values["mixtures"]["num_speakers"] = speakers
    return load_config(values)


def _rates(options: argparse.Namespace, config: Config) -> tuple[float, float, float]:
    """Return the seconds of audio rendered and scored per second, and fresh mixtures per second."""
    corpora = options.corpora / "speech.csv", options.corpora / "noise.csv"
    rate, mixtures = config.sample_rate, config.mixtures
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_plan(*corpora, [folder / "plan.csv"], "test", mixtures, config.seed, rate)
        began = time.perf_counter()
        render_shard(folder / "plan.csv", folder, rate, mixtures)
        rendering = time.perf_counter() - began
        table = read_manifest(folder / "index.csv")
        scoring = sum(_scoring(row, rate) for row in table.to_dict("records"))
        seconds = table["length"].sum() / rate
    drawn = fresh_mixtures(SEPARATE, *corpora, mixtures, "noisy", None, rate)
    fresh = FreshMixtures(drawn, config.training, config.seed)
    began = time.perf_counter()
    for number in range(options.items):
        fresh[0, number]
    drawing = time.perf_counter() - began
    return seconds / rendering, options.items / drawing, seconds / scoring


def _scoring(row: dict, rate: int) -> float:
    """Return the seconds to score a mixture whose files are read."""
    sources = np.stack([audio.read_at(row[f"{name}_path"], rate) for name in source_names(row)])
    mixture, noise = (audio.read_at(row[f"{n}_path"], rate) for n in ("mix_both", "noise"))
    estimates = 0.8 * sources + 0.2 * mixture
    began = time.perf_counter()
    score_item(sources, estimates, rate, get_args(Metric), sources, noise)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
