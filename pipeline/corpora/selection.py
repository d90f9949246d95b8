"""Select the files of a part: the first speakers, or a random sample of the noise."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipeline.corpora.roots import AUDIO_SUFFIXES, NOISE_FOLDERS

Limits = Mapping[str, int | None]


@dataclass
class FirstSpeakers:
    """The first speakers of an archive and the first utterances of each, in the archive's order.

    Members are `<speaker>/<chapter>/<file>`. Reading stops at the first member of one speaker too
    many, or, with both limits set, as soon as every speaker has its utterances and the transcripts
    of their chapters. Therefore the same archive gives the same files, and these files give the
    same narrower selection as the archive itself. Without limits all files in folders are taken.
    """

    max_speakers: int | None = None
    max_utterances: int | None = None
    done: bool = False  # no later member can be selected
    counts: dict[str, int] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)  # chapters of which an utterance is taken
    read: set[str] = field(default_factory=set)  # chapters whose transcript is taken

    def takes(self, path: str) -> bool:
        """Return whether the limits allow this member."""
        speaker, _, rest = path.partition("/")
        if not rest:
            return False
        if speaker not in self.counts and len(self.counts) == self.max_speakers:
            self.done = True
            return False
        self.counts.setdefault(speaker, 0)
        chapter = path.rpartition("/")[0]
        if path.endswith(".txt"):
            self.read.add(chapter)
        elif self.max_utterances is None or self.counts[speaker] < self.max_utterances:
            self.counts[speaker] += 1
            self.chosen.add(chapter)
        else:
            return False
        self.done = self._full()
        return True

    def _full(self) -> bool:
        if len(self.counts) != self.max_speakers or self.max_utterances is None:
            return False
        return min(self.counts.values()) >= self.max_utterances and self.chosen <= self.read


def selected(files: Mapping[str, int], limits: FirstSpeakers) -> dict[str, int]:
    """Return the selection of `limits` from files in the archive's order."""
    taken: dict[str, int] = {}
    for name, size in files.items():
        if limits.takes(name):
            taken[name] = size
        if limits.done:
            break
    return taken


def widest(held: Limits, wanted: Limits) -> dict[str, int | None]:
    """Return the selection of speech that contains both; no limit is the widest."""
    pairs = {key: (held.get(key), wanted[key]) for key in wanted}
    return {key: max(one, two) if one and two else None for key, (one, two) in pairs.items()}


def noise_names(names: Iterable[str]) -> list[str]:
    """Return the names of recordings of noise, `{tr,cv,tt}/<name>.wav`."""
    return [name for name in names if _is_noise(PurePosixPath(name))]


def draw(names: Iterable[str], count: int | None, seed: int) -> list[str]:
    """Draw `count` files, from each folder in proportion to its size; all of them for None.

    The files of each folder are in the order of a hash of seed and name; the k-th of N files has
    the rank (k - 1/2) / N (Webster's rule), and the first file of each folder precedes all. The
    files with the lowest ranks are drawn, so that a smaller draw is part of a larger one.
    """
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    ranked = [
        ((k - 0.5) / len(found) if k > 1 else 0.0, _hash(seed, name), name)
        for found in folders.values()
        for k, name in enumerate(sorted(found, key=lambda name: _hash(seed, name)), 1)
    ]
    return sorted(name for _, _, name in sorted(ranked)[:count])


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _is_noise(path: PurePosixPath) -> bool:
    return (
        len(path.parts) == 2
        and path.parts[0] in NOISE_FOLDERS.values()
        and path.suffix.lower() in AUDIO_SUFFIXES
    )
