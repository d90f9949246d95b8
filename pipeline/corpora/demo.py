"""The embedded demo corpus: synthetic speakers and noise in the layouts of the real corpora."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from pipeline import audio
from pipeline.audio import Samples
from pipeline.base.errors import PipelineError
from pipeline.base.files import write_text
from pipeline.config import SPLITS, DemoCorpus, Split
from pipeline.corpora import espeak
from pipeline.corpora.demo_noise import kind_of, make_noise
from pipeline.corpora.espeak import ACCENTS, SAMPLE_RATE, Line
from pipeline.corpora.roots import NOISE_FOLDERS

Sex = Literal["F", "M"]

# Voice variants of espeak-ng that sound like people, without whispering, creaking, robotic and
# duplicate ones.
VARIANTS: dict[Sex, str] = {
    "F": "Alicia Andrea Annie anika aunty belinda f1 f2 f3 f4 f5 grandma linda shelby",
    "M": "Alex Andy Denis Diogo Gene Gene2 Henrique Lee Mario Mike Nguyen Reed RicishayMax"
    " RicishayMax2 Storm Tweaky adam benjamin boris david edward grandpa gustave ian iven2 john"
    " kaukovalta klatt m1 m2 m3 m4 m6 m7 m8 marcelo max miguel mike2 norbert pablo paul"
    " quincy rob robert sandro travis victor",
}
SEXES: tuple[Sex, ...] = ("F", "M", "M")  # in turn, while variants last
DEAL: tuple[Split, ...] = ("train", "dev", "test", "train", "train")
VOICE, READING, DEALING = 1, 2, 3  # last number of a seed: separates the kinds of draws
PITCHES = (50, 30, 68)
ROUNDS = len(PITCHES) * len(ACCENTS)
RATES = (150, 181)  # words per minute

SECONDS = (3.5, 8.0)
MOST_UTTERANCES = 70  # of two sentences each at most
LEVEL_DB = (-30.0, -22.0)  # RMS of a speaker, dB below full scale
PEAK = 0.9
FLOOR = 1e-4  # RMS of the room noise behind the voice: digital silence is not natural
SILENCE = 2e-3  # a voice begins and ends at this level

NOT_SAID = re.compile(r"[^A-Z' ]")  # characters that a transcript omits


@dataclass(frozen=True)
class Speaker:
    """One reader: its number, its split and its voice."""

    identity: int
    split: Split
    index: int
    sex: Sex
    variant: str
    accent: str
    pitch: int
    rate: int

    @property
    def name(self) -> str:
        """The settings of the voice, in words."""
        return f"espeak-ng {self.variant} {self.accent} pitch {self.pitch} rate {self.rate}"


def make_demo_corpus(out: Path, corpus: DemoCorpus, seed: int, workers: int = 1) -> None:
    """Write `out/LibriSpeech` and `out/wham_noise`, at 16 kHz, mono, 16-bit.

    The same seed gives the same files, bit for bit, for any number of workers. A speaker or a
    noise depends on the seed, its split and its index alone.

    Args:
        out: folder to write in.
        corpus: the numbers of speakers, utterances and noises, and the length of noises.
        seed: of all random numbers.
        workers: number of files made at once.

    Raises:
        PipelineError: espeakng-loader is missing, or the corpus cannot have that many voices.
    """
    espeak.loader()
    _check(corpus, seed)
    speakers = [_speaker(seed, s, i) for s in SPLITS for i in range(getattr(corpus.speakers, s))]
    noises = [(s, i) for s in SPLITS for i in range(getattr(corpus.noises, s))]
    read = partial(_write_speaker, out / "LibriSpeech", corpus.utterances_per_speaker, seed)
    hiss = partial(_write_noise, out / "wham_noise", corpus.noise_seconds, seed)
    with ThreadPoolExecutor(workers) as pool:
        seconds = list(tqdm(pool.map(read, speakers), "speakers", len(speakers)))
        list(tqdm(pool.map(hiss, noises), "noises", len(noises)))
    write_text(out / "LibriSpeech" / "SPEAKERS.TXT", _speakers_table(speakers, seconds))


def _check(corpus: DemoCorpus, seed: int) -> None:
    for split in SPLITS:
        asked, most = getattr(corpus.speakers, split), _most_speakers(seed, split)
        if asked > most:
            raise PipelineError(
                f"corpora.demo.speakers.{split}: {asked} speakers, but only {most} distinct"
                f" voices can be made; ask for {most} at most, or set corpora.kind to local"
            )
    if corpus.utterances_per_speaker > MOST_UTTERANCES:
        raise PipelineError(
            f"corpora.demo.utterances_per_speaker: {corpus.utterances_per_speaker} is more than"
            f" the text yields; ask for {MOST_UTTERANCES} at most, and for more speakers to have"
            " more"
        )


def _dealt(seed: int, split: Split, sex: Sex) -> list[str]:
    """The voice variants of a split; no other split has them, so that its timbres are unseen."""
    rng = np.random.default_rng([seed, SEXES.index(sex), 0, DEALING])
    return [
        str(v)
        for place, v in enumerate(rng.permutation(VARIANTS[sex].split()))
        if DEAL[place % len(DEAL)] == split
    ]


def _most_speakers(seed: int, split: Split) -> int:
    """The number of distinct speakers that a split can have."""
    sexes = set(SEXES)
    return min(
        len(_dealt(seed, split, sex)) * ROUNDS // SEXES.count(sex) * len(SEXES) for sex in sexes
    )


def _speaker(seed: int, split: Split, index: int) -> Speaker:
    """Draw the voice of a speaker: an own variant while they last, then another setting of one."""
    turn, place = divmod(index, len(SEXES))
    sex = SEXES[place]
    variants = _dealt(seed, split, sex)
    nth = turn * SEXES.count(sex) + SEXES[:place].count(sex)
    lap, number = divmod(nth, len(variants))
    step = lap + SPLITS.index(split)  # the first speakers of the splits differ too
    # Over the laps of a variant each pair of pitch and accent appears once, and successive pairs
    # differ in both.
    pitch = PITCHES[(number // 2 + step) % len(PITCHES)]
    accent = ACCENTS[(number + step + lap // len(ACCENTS)) % len(ACCENTS)]
    rng = np.random.default_rng([seed, SPLITS.index(split), index, VOICE])
    pitch, rate = pitch + int(rng.integers(-4, 5)), int(rng.integers(*RATES))
    identity = 1000 * (SPLITS.index(split) + 1) + index
    return Speaker(identity, split, index, sex, variants[number], accent, pitch, rate)


def _write_speaker(root: Path, count: int, seed: int, speaker: Speaker) -> float:
    """Write the utterances and transcripts of a speaker; return their duration in seconds."""
    chapter = 100000 + speaker.identity
    folder = root / f"{speaker.split}-demo" / str(speaker.identity) / str(chapter)
    lines, total = [], 0
    for number, (text, samples) in enumerate(_read_aloud(speaker, count, seed)):
        name = f"{speaker.identity}-{chapter}-{number:04d}"
        audio.write(folder / f"{name}.flac", samples, SAMPLE_RATE, format="FLAC")
        lines.append(f"{name} {NOT_SAID.sub('', text.upper())}\n")
        total += len(samples)
    write_text(folder / f"{speaker.identity}-{chapter}.trans.txt", "".join(lines))
    return total / SAMPLE_RATE


def _read_aloud(speaker: Speaker, count: int, seed: int) -> list[tuple[str, Samples]]:
    """The utterances of a speaker: text and `[time]` each, at one gain for all."""
    rng = np.random.default_rng([seed, SPLITS.index(speaker.split), speaker.index, READING])
    texts = [str(text) for text in rng.permutation(espeak.sentences())[: 2 * count + 8]]
    voice = (speaker.accent, speaker.variant, speaker.pitch, speaker.rate)
    said = espeak.speak([Line(*voice, text) for text in texts], int(rng.integers(1, 2**31)))
    spoken = list(_utterances(texts, [_trimmed(s) for s in said], count, rng))
    loudness = np.sqrt(np.mean([np.mean(s**2) for _, s in spoken]))
    peak = max(np.abs(s).max() for _, s in spoken)
    gain = min(10 ** (rng.uniform(*LEVEL_DB) / 20) / loudness, PEAK / peak)
    return [(text, _in_room(samples * gain, rng)) for text, samples in spoken]


def _utterances(
    texts: list[str], said: list[Samples], count: int, rng: np.random.Generator
) -> Iterator[tuple[str, Samples]]:
    """Join sentences, with a breath between them, to `count` utterances of 3.5…8 s."""
    left = list(zip(texts, said, strict=True))
    for _ in range(count):
        text, voice = left.pop(0)
        wanted = rng.uniform(SECONDS[0], 5.0) * SAMPLE_RATE
        while len(voice) < wanted:
            room = (SECONDS[1] - 1) * SAMPLE_RATE - len(voice)  # 1 s: all the silence
            fitting = [place for place, (_, more) in enumerate(left) if len(more) < room]
            if not fitting:
                break
            more, sound = left.pop(fitting[0])
            text, voice = f"{text} {more}", np.concatenate([voice, _pause(rng, 0.15, 0.35), sound])
        before, after = _pause(rng, 0.1, 0.3), _pause(rng, 0.1, 0.3)
        yield text, np.concatenate([before, voice, after])


def _pause(rng: np.random.Generator, shortest: float, longest: float) -> Samples:
    return np.zeros(int(rng.uniform(shortest, longest) * SAMPLE_RATE), np.float32)


def _trimmed(samples: Samples) -> Samples:
    """Remove the silence that espeak-ng puts before and after."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    return samples[loud[0] : loud[-1] + 1]


def _in_room(samples: Samples, rng: np.random.Generator) -> Samples:
    return samples + FLOOR * rng.standard_normal(len(samples), dtype=np.float32)


def _write_noise(root: Path, seconds: float, seed: int, place: tuple[Split, int]) -> None:
    split, index = place
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    kind = kind_of(index)
    # Numbers are assigned to the splits in turn, so that no name is in two of them.
    number = len(SPLITS) * index + SPLITS.index(split)
    noise = make_noise(kind, round(seconds * SAMPLE_RATE), rng)
    audio.write(root / NOISE_FOLDERS[split] / f"{kind}_{number:03d}.wav", noise, SAMPLE_RATE)


def _speakers_table(speakers: list[Speaker], seconds: list[float]) -> str:
    """SPEAKERS.TXT in LibriSpeech's format."""
    rows = [
        f"{s.identity:<4} | {s.sex} | {s.split + '-demo':<16} | {t / 60:5.2f} | {s.name}\n"
        for s, t in zip(speakers, seconds, strict=True)
    ]
    head = "; Synthetic readers of the demo corpus: espeak-ng voices.\n;\n"
    return head + ";ID  |SEX| SUBSET           |MINUTES| NAME\n" + "".join(rows)
