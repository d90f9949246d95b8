"""Speech in the wrong stream, with and without the tracker, in conversations.

    python benchmarks/tracking.py results/corpora --speakers 2 --minutes 10 --count 6
    python benchmarks/tracking.py results/corpora --speakers 2 --separator separator_2

The folder holds `speech.csv` and `noise.csv` at 8 kHz. Conversations of speakers with five
utterances or more are cut into pieces as in `inference`. Without a separator the streams are the
sources themselves, in a new order in every piece and after every pause: a turn begins in any of
the streams that are free. Intervals are of a bootstrap over conversations.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from pipeline.audio import Samples
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import SPLITS, Inference, Mixtures, Split
from pipeline.config.models import Tracking
from pipeline.evaluation.assignment import Assignment, assignment
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.inference.chunks import Joiner, Piece, Recording, cut
from pipeline.inference.tracker.joiner import TrackingJoiner
from pipeline.mixtures.conversation import draw_conversation
from pipeline.mixtures.pool import Pool, load_pool
from pipeline.mixtures.render import render
from pipeline.models.weights import from_pretrained

RATE = 8000
FEWEST = 5  # utterances of a speaker


class Talk(NamedTuple):
    """A conversation: its sources and its mixture, and speaker, begin and end of every turn."""

    sources: Samples
    mixture: Samples
    turns: list[tuple[int, int, int]]


Streams = Callable[[Talk, Piece], Samples]
"""The streams of a piece, `[sources, time]`."""


def main() -> None:
    """Print a row for each rule."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path, help="folder of speech.csv and noise.csv")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--subset", help="only speakers of this subset")
    parser.add_argument("--speakers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=6, help="conversations")
    parser.add_argument("--turns", type=float, nargs=2, default=(2.0, 12.0), help="s")
    parser.add_argument("--separator", help="name or file of weights; without it, true sources")
    parser.add_argument("--noisy", action="store_true", help="separate mix_both, not mix_clean")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with threadpool_limits(1):
        torch.set_num_threads(1)
        streams = _separated(options.separator) if options.separator else _permuted(options.seed)
        found: dict[str, list[Assignment]] = {rule: [] for rule in get_args(Tracking)}
        for talk in tqdm(talks(options), "conversations", options.count, disable=None):
            for rule, one in compare(talk, streams).items():
                found[rule].append(one)
    print("| tracking | speech in the wrong stream, % | wrong joints an hour |\n|---|---|---|")
    for rule, each in found.items():
        values = np.array(each, float)
        hours = np.full(options.count, options.minutes / 60)
        wrong = _ratio(values[:, 1], values[:, 0] / 100)
        print(f"| {rule} | {wrong} | {_ratio(values[:, 3], hours)} |")
    joints = sum(one.joints for one in found["none"])
    print(f"\n{options.count} conversations, {joints} joints")


def _ratio(above: np.ndarray, below: np.ndarray) -> str:
    low, high = Bootstrap().ratio_interval(np.stack([above, below], axis=1))
    return f"{above.sum() / below.sum():.2f} [{low:.2f}, {high:.2f}]"


def talks(options: argparse.Namespace) -> Iterator[Talk]:
    """Draw and render the conversations, one after another."""
    conversation = {"seconds": 60 * options.minutes, "turn_seconds": options.turns}
    settings = Mixtures(
        **{"kind": "conversation", "num_speakers": options.speakers, "min_seconds": 2.0},
        conversation=conversation,
    )
    pool, split = _pool(options, settings), options.split
    for number in range(options.count):
        rng = np.random.default_rng([options.seed, SPLITS.index(split), number])
        row = draw_conversation(pool, settings, rng, split) | {"mixture_id": str(number)}
        signals, _ = render(row, options.speakers, RATE, settings.peak)
        names = [f"s{k}" for k in range(1, options.speakers + 1)]
        turns = [
            (k - 1, int(begin), int(end))
            for k in range(1, options.speakers + 1)
            for begin, end in zip(
                *(row[f"source_{k}_{name}"].split("|") for name in ("begins", "ends")), strict=True
            )
        ]
        mixture = signals["mix_both" if options.noisy else "mix_clean"]
        yield Talk(np.stack([signals[name] for name in names]), mixture, turns)


def _pool(options: argparse.Namespace, settings: Mixtures) -> Pool:
    table = read_manifest(options.corpora / "speech.csv")
    table = table[table.groupby("speaker")["utterance"].transform("size") >= FEWEST]
    if options.subset:
        table = table[table["subset"] == options.subset]
    split: Split = options.split
    with tempfile.TemporaryDirectory() as folder:
        speech = Path(folder, "speech.csv")
        write_manifest(speech, table)
        return load_pool(speech, options.corpora / "noise.csv", split, settings, RATE)


def compare(talk: Talk, streams: Streams) -> dict[str, Assignment]:
    """Join the same streams by every rule."""
    given, length = Inference(), talk.sources.shape[1]
    longest, overlap = (round(s * RATE) for s in (given.max_seconds, given.overlap_seconds))
    pieces = list(cut(Recording("", "", length, ()), longest, overlap))
    joiners = {"none": Joiner(), "speakers": TrackingJoiner(RATE)}
    parts: dict[str, list[Samples]] = {rule: [] for rule in joiners}
    for piece in pieces:
        estimate = streams(talk, piece)
        for rule, joiner in joiners.items():
            parts[rule] += joiner.join(piece, estimate.copy())
    joints = [piece.start + piece.shared // 2 for piece in pieces[1:]]
    return {
        rule: assignment(talk.sources, np.concatenate(each, axis=1), RATE, joints)
        for rule, each in parts.items()
    }


def _permuted(seed: int) -> Streams:
    """The sources; a turn begins in any of the streams that are free."""
    rng = np.random.default_rng(seed)

    def streams(talk: Talk, piece: Piece) -> Samples:
        found = np.zeros((len(talk.sources), piece.samples), np.float32)
        free_from = np.zeros(len(found), int)
        for speaker, *turn in sorted(talk.turns, key=lambda turn: turn[1]):
            begin, end = np.clip(np.array(turn) - piece.start, 0, piece.samples)
            if begin < end:
                stream = rng.choice(np.flatnonzero(free_from <= begin))
                found[stream, begin:end] = talk.sources[speaker][piece.start :][begin:end]
                free_from[stream] = end
        return found

    return streams


def _separated(name: str) -> Streams:
    """The output of a separator for the mixture."""
    network = from_pretrained(name).eval()

    @torch.inference_mode()
    def streams(talk: Talk, piece: Piece) -> Samples:
        mixture = talk.mixture[piece.start : piece.start + piece.samples]
        return network(torch.from_numpy(mixture)[None])[0].numpy()

    return streams


if __name__ == "__main__":
    main()
