"""LibriMix's own mixtures, against a simple rendering of the definitions in its script."""

from math import ceil

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import soxr
from scipy.signal import resample_poly

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.corpora.scan import scan_noise, scan_speech
from pipeline.mixtures.librimix import read_metadata, render_librimix, repeat_noise
from pipeline.mixtures.metadata import write_metadata
from pipeline.mixtures.names import name_of_speed, speed_named
from pipeline.mixtures.render import render_shard

UTTERANCES = ["1001-7-0000", "1002-7-0001", "1003-7-0000"]  # of 1.65, 1.9 and 1.75 s
NOISES = ["long", "brief", "stereo", "longsp08", "longsp12", "briefsp08", "stereosp12"]
GAINS = [0.7391, 1.2077, 0.4003]


class Bench:
    """A scanned corpus, and metadata for it in LibriMix's format."""

    def __init__(self, corpus, folder):
        self.corpus, self.folder = corpus.fill(seconds=1.6), folder
        corpus.hiss("train", "brief", 1.2)
        corpus.hiss("train", "stereo", 3.0, channels=2)
        self.scan()

    def scan(self):
        self.manifests = self.folder / "scan/speech.csv", self.folder / "scan/noise.csv"
        scan_speech(self.corpus.spoken, 3, self.manifests[0])
        scan_noise(self.corpus.noises, self.manifests[1])

    def write(self, noises=NOISES, **columns):
        """Write metadata, one mixture per noise, and return its path."""
        table = pd.DataFrame({"mixture_ID": [f"of-{noise}" for noise in noises]})
        for k, (utterance, gain) in enumerate(zip(UTTERANCES, GAINS, strict=True), 1):
            speaker, chapter, _ = utterance.split("-")
            table[f"source_{k}_path"] = f"train-clean/{speaker}/{chapter}/{utterance}.flac"
            table[f"source_{k}_gain"] = gain
        table["noise_path"] = [f"tr/{noise}.wav" for noise in noises]
        table["noise_gain"] = 0.6181
        path = self.folder / "libri3mix_train-clean.csv"
        table.assign(**columns).to_csv(path, index=False)
        return path

    def plan(self, rate, mode, *noises, **columns):
        """Rows of the plan from newly written metadata."""
        csv = self.write(list(noises) or NOISES, **columns)
        return read_metadata([csv], *self.manifests, 3, rate, mode).to_dict("records")


@pytest.fixture
def bench(corpus, tmp_path):
    return Bench(corpus, tmp_path)


def plain(bench, noise, rate, mode):
    """Render a mixture as LibriMix's script defines it: whole files, one step after the other."""
    sources = []
    for utterance in UTTERANCES:
        path = next(bench.corpus.speech.glob(f"train-clean/*/7/{utterance}.flac"))
        sources.append(sf.read(path, dtype="float32")[0])
    longest = max(map(len, sources))
    parts = [*sources, plain_noise(bench.corpus.noise / "tr", noise, longest)]
    parts = [p * gain for p, gain in zip(parts, [*GAINS, 0.6181], strict=True)]
    parts = [resample_poly(p, rate, 16000) for p in parts]
    length = (min if mode == "min" else max)(len(p) for p in parts)
    parts = [np.pad(p[:length], (0, max(0, length - len(p)))) for p in parts]
    named = {f"s{k}": part for k, part in enumerate(parts[:3], 1)} | {"noise": parts[3]}
    return named | {
        "mix_clean": add(parts[:3]),
        "mix_both": add(parts),
        "mix_single": add([parts[0], parts[3]]),
    }


def plain_noise(folder, name, longest):
    """First channel of a noise up to the longest source; a shorter noise in Hann-faded repeats."""
    speed = {"08": 0.8, "12": 1.2}.get(name[-2:])
    noise = sf.read(folder / f"{name[:-4] if speed else name}.wav", dtype="float32")[0]
    noise = noise if noise.ndim == 1 else noise[:, 0]
    if speed:  # like a file of 16 bit
        noise = soxr.resample(noise, speed, 1, quality="HQ")
        noise = (steps(noise) / 32768).astype(np.float32)
    if len(noise) >= longest:
        return noise[:longest]
    window, step = np.hanning(16001), len(noise) - 8001
    repeats, out = ceil((longest - len(noise)) / step), np.zeros(0)
    for k in range(repeats + 1):
        piece = noise.astype(np.float64)
        piece[:8001] *= window[:8001] if k > 0 else 1
        piece[-8001:] *= window[8000:] if k < repeats else 1
        out = np.pad(out, (0, k * step + len(piece) - len(out)))
        out[k * step :] += piece
    return out[:longest]


def add(signals):
    total = np.zeros(len(signals[0]), np.float32)
    for samples in signals:
        total += samples
    return total


def steps(samples):
    """Samples as libsndfile writes them with 16 bit: 32-bit integers without their lower half."""
    integers = np.rint(np.asarray(samples, np.float64) * 2**31)
    return np.clip(integers, -(2**31), 2**31 - 1).astype(np.int64) >> 16


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_mixtures_are_to_the_sample_those_of_librimix(bench, rate, mode):
    for row, noise in zip(bench.plan(rate, mode), NOISES, strict=True):
        signals, expected = render_librimix(row, 3, rate, mode), plain(bench, noise, rate, mode)
        assert signals.keys() == expected.keys()
        for name, samples in expected.items():
            assert len(signals[name]) == len(samples) == row["length"], noise
            # The seams are added in another order here: a difference of 1e-17 before the resampler.
            assert abs(signals[name] - samples).max() < 1e-7, (noise, name)
            if not noise.startswith("brief"):
                assert np.array_equal(signals[name], samples), (noise, name)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("noise", ["long", "stereo", "longsp08", "stereosp12"])
def test_only_the_used_part_of_a_file_is_read(bench, monkeypatch, rate, noise):
    [row] = bench.plan(rate, "min", noise)
    asked = []
    read_at = audio.read_at

    def spy(path, rate, start, samples, **options):
        asked.append(samples)
        return read_at(path, rate, start, samples, **options)

    monkeypatch.setattr(audio, "read_at", spy)
    signals = render_librimix(row, 3, rate, "min")
    behind = row["length"] * 16000 // rate + (20 if rate == 8000 else 0)
    assert asked[:3] == [behind] * 3
    assert asked[3] <= behind * row["noise_speed"] + 1600
    assert behind < row["longest"]
    # Whole files, read as far as max mode needs them, give the same samples.
    whole = render_librimix(row | {"length": -(-row["longest"] * rate // 16000)}, 3, rate, "max")
    for name in ("s1", "s2", "s3", "noise"):
        assert np.array_equal(signals[name], whole[name][: row["length"]])


def test_a_shard_is_written_as_librimix_writes_it(bench, settings, tmp_path):
    write_manifest(tmp_path / "plan.csv", pd.DataFrame(bench.plan(8000, "min")))
    librimix = settings(kind="librimix", mix_single=True)
    render_shard(tmp_path / "plan.csv", tmp_path / "set", 8000, librimix)
    table = read_manifest(tmp_path / "set/index.csv")
    assert list(table["scale"]) == [1.0] * len(NOISES)
    for row, noise in zip(table.to_dict("records"), NOISES, strict=True):
        for name, samples in plain(bench, noise, 8000, "min").items():
            written, rate = sf.read(tmp_path / "set" / name / f"of-{noise}.wav", dtype="int16")
            assert rate == 8000 and len(written) == row["length"]
            assert np.array_equal(written, steps(samples)), (noise, name)


def test_the_plan_lists_speakers_files_and_lengths(bench):
    row = bench.plan(8000, "min", "longsp12")[0]
    assert row["mixture_id"] == "of-longsp12"
    assert [row[f"source_{k}_utterance"] for k in (1, 2, 3)] == UTTERANCES
    assert [row[f"source_{k}_speaker"] for k in (1, 2, 3)] == ["1001", "1002", "1003"]
    assert [row[f"source_{k}_sex"] for k in (1, 2, 3)] == ["M", "F", "M"]
    assert [row[f"source_{k}_gain"] for k in (1, 2, 3)] == GAINS
    assert (row["noise"], row["noise_start"], row["noise_speed"]) == ("long", 0, 1.2)
    assert row["noise_source_path"] == str(bench.corpus.noise / "tr/long.wav")
    assert (row["length"], row["longest"]) == (13200, 30400)
    assert bench.plan(16000, "max", "long")[0]["length"] == 30400


def test_an_odd_length_is_rounded_up(bench):
    audio.write(bench.corpus.speech / "train-clean/1001/7/1001-7-0000.flac", np.ones(9001), 16000,
                format="FLAC")  # fmt: skip
    assert bench.plan(8000, "min", "long")[0]["length"] == 4501


def test_a_speed_changed_file_on_disk_is_preferred(bench):
    made = bench.corpus.hiss("train", "longsp08", 2.5)
    bench.scan()
    [row] = bench.plan(16000, "min", "longsp08", noise_start=800, noise_speed=0.8)
    assert (row["noise_source_path"], row["noise_speed"]) == (str(made), 1.0)
    assert (row["noise"], row["noise_start"]) == ("longsp08", 1000)
    noise = render_librimix(row, 3, 16000, "min")["noise"]
    file = sf.read(made, dtype="float32")[0][1000:]
    assert np.array_equal(noise, file[: len(noise)] * 0.6181)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_noise_may_begin_later(bench, mode):
    row, short = bench.plan(16000, mode, "long", "brief", noise_start=4321)
    noise = render_librimix(row, 3, 16000, mode)["noise"]
    file = sf.read(bench.corpus.noise / "tr/long.wav", dtype="float32")[0]
    assert np.array_equal(noise, file[4321:][: len(noise)] * 0.6181)
    noise = render_librimix(short, 3, 16000, mode)["noise"]
    repeated = plain_noise(bench.corpus.noise / "tr", "brief", 4321 + short["longest"])
    assert noise == pytest.approx(repeated[4321:][: len(noise)] * 0.6181)


@pytest.mark.parametrize("held, length", [(20000, 70000), (8001, 9000), (8000, 30000), (10, 50)])
def test_repeated_noise_keeps_its_mean(held, length):
    """The fades of a Hann window add up to one."""
    assert repeat_noise(np.ones(held, np.float32), length) == pytest.approx(np.ones(length))
    assert len(repeat_noise(np.zeros(held), length)) == length


def test_names_contain_speeds():
    for name, speed in (("rain", 0.8), ("a_-0.5_b_0.5", 1.2), ("sp", 1.05), ("rain", 1.0)):
        assert speed_named(name_of_speed(name, speed)) == (name, speed)
    assert name_of_speed("a_-0.5", 0.8) == "a_-0.5sp08"
    for name in ("rain", "spray", "sp08", "rainsp8", "rainsp", "rainsp00", "rainsp001"):
        assert speed_named(name) == (name, 1.0)


def test_exported_metadata_gives_the_same_plan(bench, settings, tmp_path):
    csv = bench.write(noise_start=100)
    plan = read_metadata([csv], *bench.manifests, 3, 8000, "min")
    write_manifest(tmp_path / "plan.csv", plan)
    render_shard(tmp_path / "plan.csv", tmp_path / "set", 8000, settings(kind="librimix"))
    index = tmp_path / "set/index.csv"
    write_metadata(index, tmp_path / "out", "train", *bench.manifests, 16000)
    written = tmp_path / "out/plan/libri3mix_train.csv"
    given, exported = pd.read_csv(csv), pd.read_csv(written)
    pd.testing.assert_frame_equal(exported[given.columns], given)
    again = read_metadata([written], *bench.manifests, 3, 8000, "min")
    pd.testing.assert_frame_equal(again, plan)


def test_names_of_metadata_are_found_in_another_form(bench):
    """macOS writes é as e and an accent; metadata has one character, or the reverse."""
    one, two = "caf\u00e9", "cafe\u0301"
    voice = bench.corpus.speak("train", two, seconds=1.6)
    noise = bench.corpus.hiss("train", two, 3.0)
    bench.scan()
    for name in (one, two):
        given = f"train-clean/{name}/7/{name}-7-0000.flac"
        [row] = bench.plan(16000, "min", name, source_1_path=given)
        assert (row["source_1_path"], row["source_1_speaker"]) == (str(voice), two)
        assert row["source_1_utterance"] == f"{two}-7-0000"
        assert row["noise_source_path"] == str(noise)


def test_noises_in_folders_are_found_and_written(bench, settings, tmp_path):
    made = bench.corpus.hiss("train", "street/rain", 3.0)
    bench.scan()
    csv = bench.write(["street/rain", "street/rainsp08"], mixture_ID=["a", "b"])
    plan = read_metadata([csv], *bench.manifests, 3, 8000, "min")
    assert list(plan["noise_source_path"]) == [str(made)] * 2
    assert list(plan["noise_speed"]) == [1, 0.8]
    write_manifest(tmp_path / "plan.csv", plan)
    render_shard(tmp_path / "plan.csv", tmp_path / "set", 8000, settings(kind="librimix"))
    write_metadata(tmp_path / "set/index.csv", tmp_path / "out", "train", *bench.manifests, 16000)
    written = pd.read_csv(tmp_path / "out/plan/libri3mix_train.csv")
    assert list(written["noise_path"]) == ["tr/street/rain.wav", "tr/street/rainsp08.wav"]


@pytest.mark.parametrize(
    "columns, cause",
    [
        ({"noise_path": "tr/none.wav"}, r"1 files are not in the corpora: tr/none\.wav; add"),
        ({"noise_path": "xx/long.wav"}, r"1 files are not in the corpora: xx/long\.wav"),
        (
            {"source_2_path": "a/b/c/d.flac"},
            r"1 files are not .*: a/b/c/d\.flac; add their subsets",
        ),
        ({"mixture_ID": "../x"}, r"mixture_ID '\.\./x' cannot name a file; change it"),
        ({"mixture_ID": "x" * 201}, r"cannot name a file; change it"),
        ({"mixture_ID": "same"}, r"mixture same stands twice"),
        ({"source_4_path": "a"}, r"have 4 speakers, mixtures\.num_speakers is 3; set"),
        ({"noise_gain": "loud"}, r": row 2, noise_gain: 'loud' is not a finite number; correct"),
        ({"noise_start": 10**9}, r"mixture of-long: noise_start is after the end of .*long\.wav;"),
        ({"noise_start": 1e300}, r"mixture of-long: noise_start is after the end of .*long\.wav;"),
    ],
)
def test_wrong_metadata_is_refused(bench, columns, cause):
    csv = bench.write(**columns)
    with pytest.raises(PipelineError, match=cause) as error:
        read_metadata([csv], *bench.manifests, 3, 8000, "min")
    assert str(error.value).startswith(str(csv)) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "column, value, fault",
    [
        ("source_2_gain", "inf", "is not a finite number"),
        ("source_3_gain", "NaN", "is not a finite number"),
        ("noise_gain", "", "is not a finite number"),
        ("noise_gain", "0,5", "is not a finite number"),
        ("noise_start", "-inf", "is not a finite number"),
        ("noise_start", "-1", "is below 0"),
        ("noise_speed", "0", "is not above 0"),
        ("noise_speed", "-1.2", "is not above 0"),
        ("noise_speed", "fast", "is not a finite number"),
    ],
)
def test_wrong_numbers_are_named_by_row_and_column(bench, column, value, fault):
    csv = bench.write(noise_start=0, noise_speed=1.0)
    cells = pd.read_csv(csv, dtype=str)
    cells.loc[4, column] = value
    cells.to_csv(csv, index=False)
    with pytest.raises(PipelineError) as error:
        read_metadata([csv], *bench.manifests, 3, 8000, "min")
    line = f"{csv}: row 6, {column}: '{value}' {fault}; correct it or fetch it again"
    assert str(error.value) == line


@pytest.mark.parametrize("decimal", [".", ","])
def test_metadata_as_a_spreadsheet_writes_it_gives_the_same_plan(bench, decimal):
    """With semicolons, a byte order mark, `\` in paths and, in some countries, decimal commas."""
    csv = bench.write(noise_start=12.0, noise_speed=1.0)
    plan = read_metadata([csv], *bench.manifests, 3, 8000, "min")
    table = pd.read_csv(csv)
    for column in (c for c in table if c.endswith("_path")):
        table[column] = table[column].str.replace("/", "\\")
    table.to_csv(csv, index=False, sep=";", decimal=decimal, encoding="utf-8-sig")
    assert csv.read_text(encoding="utf-8-sig").count(";") == 10 * (len(NOISES) + 1)
    again = read_metadata([csv], *bench.manifests, 3, 8000, "min")
    pd.testing.assert_frame_equal(again, plan, check_exact=True)


def test_a_backslash_in_a_name_stays_one(corpus, tmp_path):
    bench = Bench(corpus, tmp_path)
    path = corpus.hiss("train", "a\\b", 3.0)
    bench.scan()
    [row] = bench.plan(8000, "min", "a\\b")
    assert row["noise_source_path"] == str(path)


def test_a_short_row_is_named(bench):
    csv = bench.write()
    text = csv.read_text().rstrip()
    csv.write_text(text[: text.rindex(",")])
    with pytest.raises(PipelineError, match=r": row 8, noise_gain: '' is not a finite number"):
        read_metadata([csv], *bench.manifests, 3, 8000, "min")


def test_many_missing_files_are_counted(bench):
    csv = bench.write([f"none{i}" for i in range(9)])
    cause = r"9 files are not in .*: (tr/none\d\.wav; ){5}and 4 more; add"
    with pytest.raises(PipelineError, match=cause):
        read_metadata([csv], *bench.manifests, 3, 8000, "min")


def test_other_files_are_not_metadata(bench, tmp_path):
    with pytest.raises(PipelineError, match=r"none\.csv: cannot be read; check mixtures\.librimix"):
        read_metadata([tmp_path / "none.csv"], *bench.manifests, 3, 8000, "min")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(PipelineError, match=r"empty\.csv: is not LibriMix's CSV"):
        read_metadata([tmp_path / "empty.csv"], *bench.manifests, 3, 8000, "min")
    csv = bench.write()
    pd.read_csv(csv).drop(columns="noise_gain").to_csv(csv, index=False)
    with pytest.raises(PipelineError, match=r"train-clean\.csv: has no column noise_gain; give"):
        read_metadata([csv], *bench.manifests, 3, 8000, "min")


def test_noise_at_another_rate_is_refused(bench):
    audio.write(bench.corpus.noise / "tr/long.wav", np.ones(90000), 48000)
    with pytest.raises(PipelineError, match=r"tr/long\.wav: is at 48000 Hz, LibriMix's"):
        bench.plan(8000, "min", "longsp08")


def test_metadata_with_and_without_starts_is_joined(bench, tmp_path):
    """A subset of LibriMix's metadata beside one that we have exported."""
    first = bench.write(["long"], noise_start=800, noise_speed=1.0).rename(tmp_path / "first.csv")
    second = bench.write(["longsp08"], mixture_ID="second")
    plan = read_metadata([first, second], *bench.manifests, 3, 8000, "min")
    assert list(plan["noise_start"]) == [800, 0] and list(plan["noise_speed"]) == [1.0, 0.8]


def test_speech_at_another_rate_is_refused(bench):
    path = bench.corpus.speech / "train-clean/1002/7/1002-7-0001.flac"
    audio.write(path, np.ones(9000), 22050, format="FLAC")
    with pytest.raises(PipelineError, match=r"1002-7-0001\.flac: is at 22050 Hz, LibriMix's"):
        bench.plan(8000, "min", "long")
