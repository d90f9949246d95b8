"""Which files of a part are taken: the first speakers, or a draw of the noise."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipeline.corpora.roots import AUDIO_SUFFIXES, NOISE_FOLDERS

Limits = Mapping[str, int | None]


@dataclass
class FirstSpeakers:
    """The first speakers of an archive and the first utterances of each, in the archive's order.

    Members are `<speaker>/<chapter>/<file>`. Reading ends at the first member of one speaker
    too many, or, with both limits set, as soon as every speaker has its utterances and the
    transcripts of their chapters. The same archive so gives the same files, and the same
    files give a narrower selection as the archive itself would. Without limits it takes all
    that lies in a folder.
    """

    max_speakers: int | None = None
    max_utterances: int | None = None
    done: bool = False  # nothing that follows can count
    counts: dict[str, int] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)  # chapters with an utterance taken
    read: set[str] = field(default_factory=set)  # chapters with their transcript taken

    def takes(self, path: str) -> bool:
        """Whether the limits leave room for this member."""
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
            self.heard.add(chapter)
        else:
            return False
        self.done = self._full()
        return True

    def _full(self) -> bool:
        if len(self.counts) != self.max_speakers or self.max_utterances is None:
            return False
        return min(self.counts.values()) >= self.max_utterances and self.heard <= self.read


def selected(files: Mapping[str, int], limits: FirstSpeakers) -> dict[str, int]:
    """What `limits` takes of files that stand in the archive's order."""
    taken: dict[str, int] = {}
    for name, size in files.items():
        if limits.takes(name):
            taken[name] = size
        if limits.done:
            break
    return taken


def widest(held: Limits, wanted: Limits) -> dict[str, int | None]:
    """The selection of speech that holds all of both; no limit is the widest."""
    pairs = {key: (held.get(key), wanted[key]) for key in wanted}
    return {key: max(one, two) if one and two else None for key, (one, two) in pairs.items()}


def noise_names(names: Iterable[str]) -> list[str]:
    """Those of recordings of noise, `{tr,cv,tt}/<name>.wav`."""
    return [name for name in names if _is_noise(PurePosixPath(name))]


def draw(names: Iterable[str], count: int | None, seed: int) -> list[str]:
    """Draw `count` files, as many of each folder as its share; all of them for None.

    Each folder's files stand in the order of a hash of seed and name; the k-th of N files has
    the rank (k - 1/2) / N (Webster's rule), the first of a folder comes before all. The lowest
    ranks are drawn, so that fewer are always among more.
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
