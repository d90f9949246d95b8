"""Every error line about the inputs of mixtures, with its cure followed: they are then made."""

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate
from pipeline.corpora.convert import convert_shard
from pipeline.corpora.scan import scan_noise, scan_speech
from pipeline.mixtures.librimix import read_metadata
from pipeline.mixtures.plan import draw_plan, read_plan

RATE = 8000


def refused(function, *arguments, **values):
    with pytest.raises(PipelineError) as error:
        function(*arguments, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


class Made:
    """Manifests of a corpus on disk, made as in a run, and plans drawn from them."""

    def __init__(self, corpus, folder, settings):
        self.corpus, self.folder, self.settings = corpus.fill(speakers=3), folder, settings
        self.make()

    def make(self):
        """Scan and convert, like a run does again after files have changed."""
        scan_speech(self.corpus.spoken, 3, self.folder / "scan/speech.csv")
        scan_noise(self.corpus.noises, self.folder / "scan/noise.csv")
        self.convert()

    def convert(self):
        for kind in ("speech", "noise"):
            convert_shard(self.folder / f"scan/{kind}.csv", self.folder / kind, "1-of-1", RATE)
            concatenate([self.folder / f"{kind}/index.csv"], self.folder / f"{kind}.csv")

    def draw(self, shards=1, **values):
        """Draw the train split."""
        corpora = self.folder / "speech.csv", self.folder / "noise.csv"
        parts = [self.folder / f"{k}.csv" for k in range(shards)]
        draw_plan(*corpora, parts, "train", self.settings(**values), 0, RATE)


@pytest.fixture
def made(corpus, settings, tmp_path):
    return Made(corpus, tmp_path, settings)


def counts(train):
    return {"counts": {"train": train, "dev": 1, "test": 1}}


ASKED = [
    (
        counts(9) | {"num_speakers": 3},
        "mixtures.counts.train: 9 mixtures asked, the utterances give 8 different ones; lower it or"
        " add utterances",
        [counts(8)],
    ),
    (
        {"num_speakers": 4},
        "mixtures: split train has 3 speakers with long enough utterances, num_speakers is 4; lower"
        " mixtures.min_seconds or num_speakers",
        [{"num_speakers": 3}],
    ),
    (
        {"num_speakers": 2, "min_seconds": 2},
        "mixtures: split train has 0 speakers with long enough utterances, num_speakers is 2; lower"
        " mixtures.min_seconds or num_speakers",
        [{"min_seconds": 0.5}],
    ),
    (
        {"num_speakers": 2, "exclude_noises": ["lo", "sho"]},
        "mixtures.exclude_noises: leaves no noise for split train; exclude fewer prefixes",
        [{"exclude_noises": ["lo"]}, {"exclude_noises": ["sho"]}],
    ),
    (
        counts(2) | {"num_speakers": 2, "shards": 3},
        "shards: 3 is more than the 2 mixtures of split train; lower it",
        [{"shards": 2}],
    ),
]


@pytest.mark.parametrize("asked, line, cures", ASKED)
def test_a_plan_is_drawn_once_its_line_is_followed(made, asked, line, cures):
    assert refused(made.draw, **asked) == line
    for cure in cures:
        made.draw(**asked | cure)


def test_added_utterances_give_more_mixtures(made):
    asked = counts(9) | {"num_speakers": 3}
    assert refused(made.draw, **asked).endswith("; lower it or add utterances")
    made.corpus.speak("train", "1001", 9)
    made.make()
    made.draw(**asked)


def faint(path):
    samples, rate = sf.read(path)
    sf.write(path, samples * 10 ** (-78 / 20) / samples.std(), rate, subtype="PCM_24")


@pytest.mark.parametrize("cure", [None, {"exclude_noises": ["odd"]}, {"noise_rule": "wham"}])
@pytest.mark.parametrize("rule", ["wham", "librimix"])
def test_a_noise_that_cannot_be_used(made, rule, cure):
    path = made.corpus.hiss("train", "odd", 0.3)
    if rule == "wham":
        faint(path)
    made.make()
    line = refused(made.draw, num_speakers=2, noise_rule=rule)
    cures = "remove them, or exclude them by mixtures.exclude_noises"
    assert str(path) in line and line.endswith(cures)
    assert ("choose wham, " in line) == (rule == "librimix")
    if cure is None:
        path.unlink()
        made.make()
    if cure != {"noise_rule": "wham"} or rule == "librimix":
        made.draw(**{"num_speakers": 2, "noise_rule": rule} | (cure or {}))


@pytest.mark.parametrize("column, value", [("rms", "inf"), ("samples", "0"), ("peak", None)])
def test_a_manifest_of_ours_is_mended_by_converting_again(made, column, value):
    index = made.folder / "noise/index.csv"
    cells = pd.read_csv(index, dtype=str)
    if value is None:
        cells = cells.drop(columns=column)
    else:
        cells[column] = value
    for table in (index, made.folder / "noise.csv"):
        cells.to_csv(table, index=False)
    line = refused(made.draw, num_speakers=2)
    assert line.startswith(f"{made.folder / 'noise.csv'}: ") and column in line
    assert line.endswith("; run again with --forcerun convert")
    made.convert()
    made.draw(num_speakers=2)


NAMES = ["1001-7-0000", "1002-7-0000", "1003-7-0000"]


class Metadata:
    """LibriMix's metadata of the corpus, two mixtures of it."""

    def __init__(self, made):
        self.made, self.path = made, made.folder / "libri3mix_train-clean.csv"
        self.table = pd.DataFrame({"mixture_ID": ["a", "b"]})
        for k, name in enumerate(NAMES, 1):
            self.table[f"source_{k}_path"] = f"train-clean/{name[:4]}/7/{name}.flac"
            self.table[f"source_{k}_gain"] = "1.0"
        self.table["noise_path"], self.table["noise_gain"] = "tr/long.wav", "0.5"
        self.fetch()

    def fetch(self, **columns):
        """Write the right file in its place; `columns` are other columns, None for missing ones."""
        given = {name: values for name, values in columns.items() if values is not None}
        table = self.table.drop(columns=list(columns.keys() - given.keys())).assign(**given)
        table.to_csv(self.path, index=False)

    def read(self, num_speakers=3, path=None):
        scans = (self.made.folder / f"scan/{kind}.csv" for kind in ("speech", "noise"))
        return read_metadata([path or self.path], *scans, num_speakers, RATE, "min")


@pytest.fixture
def metadata(made):
    return Metadata(made)


WRONG = [
    ({"mixture_ID": "a"}, "mixture a stands twice; keep one of them"),
    ({"mixture_ID": ["../x", "b"]}, "mixture_ID '../x' cannot name a file; change it"),
    ({"noise_gain": None}, "has no column noise_gain; give LibriMix's own metadata"),
    (
        {"noise_gain": ["1", "loud"]},
        "row 3, noise_gain: 'loud' is not a finite number; correct it or fetch it again",
    ),
    (
        {"noise_path": "tr/none.wav"},
        "1 files are not in the corpora: tr/none.wav; add their subsets under corpora: or take"
        " others in mixtures.librimix.subsets",
    ),
]


@pytest.mark.parametrize("columns, line", WRONG)
def test_metadata_is_read_once_its_line_is_followed(metadata, columns, line):
    metadata.fetch(**columns)
    assert refused(metadata.read) == f"{metadata.path}: {line}"
    metadata.fetch()  # the right file, or another subset of it
    assert len(metadata.read()) == 2


def test_metadata_is_read_once_one_of_two_rows_is_kept(metadata):
    metadata.fetch(mixture_ID="a")
    assert refused(metadata.read).endswith("keep one of them")
    pd.read_csv(metadata.path, dtype=str).drop_duplicates("mixture_ID").to_csv(metadata.path)
    assert len(metadata.read()) == 1


def test_metadata_is_read_once_its_files_are_in_the_corpora(metadata):
    metadata.fetch(noise_path="tr/none.wav", source_1_path="more/1007/7/1007-7-0000.flac")
    assert "2 files are not in the corpora: more/1007/7/1007-7-0000.flac; tr/none.wav; add" in (
        refused(metadata.read)
    )
    metadata.made.corpus.hiss("train", "none")
    metadata.made.corpus.speak("train", "1007")
    metadata.made.make()
    assert len(metadata.read()) == 2


@pytest.mark.parametrize("cure", ["correct", "fetch"])
def test_a_noise_that_begins_after_its_end(metadata, cure):
    metadata.fetch(noise_start="99999999")
    assert refused(metadata.read) == (
        f"{metadata.path}: mixture a: noise_start is after the end of"
        f" {metadata.made.corpus.noise}/tr/long.wav; correct it or fetch it again"
    )
    metadata.fetch(**{"noise_start": "100"} if cure == "correct" else {})
    assert len(metadata.read()) == 2


@pytest.mark.parametrize("content", [b"", b"\x80", None])
def test_files_that_are_no_metadata(metadata, content):
    """Empty, without text, and with the names of the columns only."""
    whole = metadata.path.read_bytes()
    metadata.path.write_bytes(whole.splitlines()[0] if content is None else content)
    line = refused(metadata.read)
    assert line.startswith(f"{metadata.path}: ") and line.endswith("; fetch it again")
    metadata.path.write_bytes(whole)
    assert len(metadata.read()) == 2


def test_metadata_that_is_not_there(metadata):
    away = metadata.path.with_name("none.csv")
    assert refused(metadata.read, path=away) == (
        f"{away}: cannot be read; check mixtures.librimix.metadata"
    )
    assert len(metadata.read(path=metadata.path)) == 2


def test_metadata_of_another_number_of_speakers(metadata):
    assert refused(metadata.read, 2) == (
        f"{metadata.path}: its mixtures have 3 speakers, mixtures.num_speakers is 2; set that to 3,"
        " or give other files with mixtures.librimix.metadata"
    )
    assert len(metadata.read(3)) == 2
    metadata.table = metadata.table.drop(columns=["source_3_path", "source_3_gain"])
    metadata.fetch()
    assert len(metadata.read(2)) == 2


def test_a_table_of_something_else_is_not_of_0_speakers(metadata):
    metadata.path.write_text("id,length\na,3\n", encoding="utf-8")
    assert refused(metadata.read) == (
        f"{metadata.path}: has no column mixture_ID; give LibriMix's own metadata"
    )
    metadata.fetch()
    assert len(metadata.read()) == 2


@pytest.mark.parametrize("name", ["LibriSpeech/train-clean/1002/7/1002-7-0000.flac", "tr/long.wav"])
def test_a_file_at_another_rate_than_librimix_s(metadata, name):
    corpus = metadata.made.corpus
    path = (corpus.noise if "tr" in name[:2] else corpus.root) / name
    original = path.read_bytes()
    audio.write(path, np.ones(40000), 22050, format="FLAC" if path.suffix == ".flac" else "WAV")
    assert refused(metadata.read) == (
        f"{path}: is at 22050 Hz, LibriMix's gains are for 16000 Hz; give the original file"
    )
    path.write_bytes(original)
    assert len(metadata.read()) == 2


def test_more_shards_than_mixtures_of_librimix(metadata):
    def read(shards):
        parts = [metadata.made.folder / f"plan/{k}.csv" for k in range(shards)]
        scans = (metadata.made.folder / f"scan/{kind}.csv" for kind in ("speech", "noise"))
        read_plan([metadata.path], *scans, parts, "train", 3, "min", RATE)

    assert refused(read, 3) == "shards: 3 is more than the 2 mixtures of split train; lower it"
    read(2)


BABBLE = {"num_speakers": 1, "babble": 1, "babble_voices": [3, 3]}


@pytest.mark.parametrize("more", [False, True])
def test_babble_of_more_voices_than_there_are(made, more):
    line = refused(made.draw, **BABBLE)
    assert line == (
        "mixtures.babble_voices: up to 3 beside the 1 speakers of a mixture, the train split has 3"
        " speakers; lower it, add speakers, or set mixtures.babble to 0"
    )
    if more:
        made.corpus.speak("train", "1004", seconds=1.0)
        made.make()
        made.draw(**BABBLE)
    else:  # three voices are the fewest
        made.draw(**BABBLE | {"babble": 0})
