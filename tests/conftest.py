"""Small synthetic corpora in the layouts of LibriSpeech and WHAM!, and how tests are shared."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

# One of several processes that run the tests. They share the cores: more threads than cores would
# only wait for each other.
if WORKER := os.environ.get("PYTEST_XDIST_WORKER", ""):
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.files import concatenate
from pipeline.config import SPLITS, Mixtures
from pipeline.corpora.convert import convert_shard
from pipeline.corpora.roots import NOISE_FOLDERS, Subset, Subsets, noise_subsets
from pipeline.corpora.scan import scan_noise, scan_speech

pytest_plugins = ["chromium", "loopback", "workspace"]

TESTS = Path(__file__).parent
WHOLE_RUNS = TESTS / "workflow"
PROPERTIES = TESTS / "properties"
SLOW_FIXTURES = {"workspace", "browser", "cluster"}  # they start Snakemake, Chromium, or SLURM


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests and put them first, and set which tests one worker runs together.

    The tests of a file share its fixtures; each whole run is independent, since it takes long.
    """
    for item in items:
        alone = WHOLE_RUNS in item.path.parents
        slow = alone or PROPERTIES in item.path.parents
        if slow or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if WORKER and not alone:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(TESTS))))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def smoke_in_time(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Where several processes run the tests, make the run that many need beside the first tests."""
    from workspace import smoke_run

    needed = any("finished" in getattr(item, "fixturenames", ()) for item in request.session.items)
    thread = threading.Thread(target=smoke_run, args=(tmp_path_factory.getbasetemp(),))
    if needed and WORKER == "gw0":
        thread.start()
    yield
    if thread.is_alive():
        thread.join()


SUBSETS = {split: [f"{split}-clean"] for split in SPLITS}


def make_voice(seed: int, seconds: float, rate: int = 16000) -> np.ndarray:
    """A buzz with a pitch, in syllables of a quarter of a second, at about -20 dBFS."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch, phase = rng.uniform(90, 250), rng.uniform(0, 6)
    buzz = sum(np.sin(2 * np.pi * pitch * k * time + k * phase) / k for k in range(1, 9))
    syllables = np.sin(2 * np.pi * 2 * time + phase) ** 2
    return (0.1 * buzz * syllables + 0.005 * rng.standard_normal(len(time))).astype(np.float32)


class Corpus:
    """Two growing folders: `speech` in LibriSpeech's layout, `noise` in WHAM!'s."""

    def __init__(self, root: Path) -> None:
        self.root, self.speech, self.noise = root, root / "LibriSpeech", root / "wham_noise"
        self.subsets = SUBSETS
        self.seeds = iter(range(1000))

    @property
    def spoken(self) -> Subsets:
        """The subsets of speech of each split."""
        return {
            split: [Subset(self.speech, name) for name in names]
            for split, names in self.subsets.items()
        }

    @property
    def noises(self) -> Subsets:
        """The folders of noise of each split."""
        return noise_subsets([self.noise])

    def speak(self, split, speaker, number=0, seconds=1.0, suffix=".flac", text=None) -> Path:
        """Add an utterance of chapter 7, with its transcript."""
        chapter = self.speech / SUBSETS[split][0] / speaker / "7"
        path = chapter / f"{speaker}-7-{number:04d}{suffix}"
        format = "FLAC" if suffix == ".flac" else "WAV"
        audio.write(path, make_voice(next(self.seeds), seconds), 16000, format=format)
        with (chapter / f"{speaker}-7.trans.txt").open("a", encoding="utf-8") as file:
            file.write(f"{path.stem} {text or 'WORDS'}\n")
        return path

    def hiss(self, split, name, seconds=2.0, channels=1) -> Path:
        """Add a recording of white noise, of another noise in each channel."""
        rng = np.random.default_rng(next(self.seeds))
        samples = 0.1 * rng.standard_normal((int(seconds * 16000), channels)).astype(np.float32)
        path = self.noise / NOISE_FOLDERS[split] / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, samples, 16000)  # audio.write writes one channel only
        return path

    def fill(self, speakers=5, utterances=2, seconds=1.0) -> "Corpus":
        """Speakers 1001… of train, 2001… of dev, 3001… of test; a long and a short noise each."""
        lines = [";ID |SEX| SUBSET |MINUTES| NAME"]
        for place, split in enumerate(SPLITS, 1):
            for k in range(1, speakers + 1):
                lines.append(f"{place}{k:03d} | {'FM'[k % 2]} | {SUBSETS[split][0]} | 1.0 | A | B")
                for n in range(utterances):
                    self.speak(split, f"{place}{k:03d}", n, seconds + 0.05 * k + 0.2 * n)
            self.hiss(split, "long", 3.0)
            self.hiss(split, "short", 0.5)
        (self.speech / "SPEAKERS.TXT").write_text("\n".join(lines), encoding="utf-8")
        return self


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """An empty corpus to add files to."""
    return Corpus(tmp_path / "corpus")


@pytest.fixture
def voice():
    """`voice(seed, seconds, rate)`: speech-like samples."""
    return make_voice


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> SimpleNamespace:
    """A filled corpus at 8 kHz: `speech` and `noise` are its manifests."""
    root = tmp_path_factory.mktemp("converted")
    corpus = Corpus(root / "raw").fill()
    scan_speech(corpus.spoken, 5, root / "scan/speech.csv")
    scan_noise(corpus.noises, root / "scan/noise.csv")
    for kind in ("speech", "noise"):
        for shard in ("1-of-2", "2-of-2"):
            convert_shard(root / f"scan/{kind}.csv", root / kind / shard, shard, 8000)
        shards = [root / kind / f"{k}-of-2" / "index.csv" for k in (1, 2)]
        concatenate(shards, root / f"{kind}.csv")
    return SimpleNamespace(speech=root / "speech.csv", noise=root / "noise.csv", rate=8000)


@pytest.fixture
def settings():
    """`settings(num_speakers=2, …)`: the mixtures section, for the small corpus."""

    def make(**values) -> Mixtures:
        small = {"counts": {"train": 6, "dev": 3, "test": 4}, "min_seconds": 0.5}
        return Mixtures(**(small | values))

    return make
