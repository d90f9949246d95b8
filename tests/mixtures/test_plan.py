import logging
import subprocess
import sys
from itertools import combinations
from math import prod

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.audio.loudness import loudness
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, split_paths, write_manifest
from pipeline.mixtures.draw import Segment, draw_mixture, draw_noise
from pipeline.mixtures.names import sources_of
from pipeline.mixtures.plan import _combinations, draw_plan
from pipeline.mixtures.pool import Pool, load_pool

RATE = 8000


@pytest.fixture
def plan(converted, settings, tmp_path):
    """`plan(split="test", seed=0, count=4, num_speakers=2, …)`: the drawn table."""

    def draw(split="test", seed=0, count=4, **values):
        mixtures = settings(counts={"train": count, "dev": count, "test": count}, **values)
        out = tmp_path / "plan.csv"
        draw_plan(converted.speech, converted.noise, [out], split, mixtures, seed, RATE)
        return read_manifest(out)

    return draw


@pytest.fixture
def draws(converted, settings):
    """`draws(500, …)`: many mixtures of the training pool, as a table."""

    def draw(count, segment=None, **values):
        mixtures = settings(**values)
        pool = load_pool(converted.speech, converted.noise, "train", mixtures, RATE)
        rngs = (np.random.default_rng(i) for i in range(count))
        return pd.DataFrame([draw_mixture(pool, mixtures, rng, "train", segment) for rng in rngs])

    return draw


def sources(table):
    """One row per source of any mixture: utterance, speaker, sex, path, start, gain."""
    numbers = sorted(int(c.split("_")[1]) for c in table if c.endswith("_gain") and c[0] == "s")
    facts = ["utterance", "speaker", "sex", "path", "start", "gain"]
    parts = [
        table[[f"source_{k}_{fact}" for fact in facts]].set_axis(facts, axis=1) for k in numbers
    ]
    return pd.concat(parts)


def levels(table):
    """LUFS and peak of every planned source, measured on its samples."""
    scaled = [audio.read_at(s.path, RATE) * np.float32(s.gain) for s in sources(table).itertuples()]
    return np.array([loudness(s, RATE) for s in scaled]), np.array([abs(s).max() for s in scaled])


def test_a_longer_plan_begins_with_a_shorter_one(plan):
    short, long = plan(count=4), plan(count=9)
    pd.testing.assert_frame_equal(long.iloc[:4], short)
    assert list(long["mixture_id"]) == [f"test-{i:06d}" for i in range(9)]


@pytest.mark.parametrize("shards", [1, 2, 5, 9])
def test_the_plan_is_the_same_in_any_number_of_shards(
    plan, converted, settings, tmp_path, shards, monkeypatch
):
    whole = plan(count=9)
    monkeypatch.setattr("pipeline.mixtures.plan.ROWS_AT_ONCE", 2)
    parts = [tmp_path / "parts" / f"{k}.csv" for k in range(shards)]
    settings = settings(counts={"train": 1, "dev": 1, "test": 9})
    draw_plan(converted.speech, converted.noise, parts, "test", settings, 0, RATE)
    tables = [read_manifest(part) for part in parts]
    assert max(map(len, tables)) - min(map(len, tables)) <= 1
    pd.testing.assert_frame_equal(pd.concat(tables, ignore_index=True), whole)


def test_more_shards_than_mixtures_are_refused(converted, settings, tmp_path):
    shards = [tmp_path / f"{k}.csv" for k in range(5)]
    with pytest.raises(PipelineError, match=r"shards: 5 is more than the 4 mixtures of split test"):
        draw_plan(converted.speech, converted.noise, shards, "test", settings(), 0, RATE)


def test_seeds_and_splits_draw_differently(plan):
    columns = ["source_1_gain", "noise_snr"]
    drawn = [plan(seed=0), plan(seed=1), plan(split="dev"), plan(split="train")]
    values = np.concatenate([table[columns].to_numpy() for table in drawn])
    assert len(np.unique(values)) == values.size
    pd.testing.assert_frame_equal(plan(seed=0), drawn[0])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize("num_speakers", [1, 2, 3, 5])
def test_speakers_of_a_mixture_are_distinct_and_of_its_split(plan, converted, split, num_speakers):
    table = plan(split=split, num_speakers=num_speakers)
    columns = [f"source_{k}_speaker" for k in range(1, num_speakers + 1)]
    assert f"source_{num_speakers + 1}_path" not in table
    assert (table[columns].nunique(axis=1) == num_speakers).all()
    corpus = read_manifest(converted.speech).set_index("utterance")
    drawn = sources(table)
    same = corpus.loc[drawn["utterance"], ["speaker", "sex", "path"]]
    assert (same.to_numpy() == drawn[["speaker", "sex", "path"]].to_numpy()).all()
    assert set(corpus.loc[drawn["utterance"], "split"]) == {split}
    noises = read_manifest(converted.noise).query("split == @split")
    assert set(table["noise_source_path"]) <= set(noises["path"])


def filled(row):
    """A drawn row without its empty cells."""
    return {name: cell for name, cell in row.items() if not pd.isna(cell)}


@pytest.mark.parametrize("counts", [[1, 2, 3], [3, 1], [2]])
def test_numbers_of_speakers_take_turns(plan, counts):
    table = plan(count=7, num_speakers=counts)
    alone = {k: plan(count=7, num_speakers=k) for k in counts}
    for i, row in enumerate(table.to_dict("records")):
        # To the bit the mixture that is drawn where all have this number.
        assert filled(row) == filled(alone[counts[i % len(counts)]].iloc[i].to_dict())
    assert set(table) == set(alone[max(counts)])


def test_parts_of_a_plan_have_the_cells_of_the_largest_number(converted, settings, tmp_path):
    parts = [tmp_path / f"{k}.csv" for k in range(4)]
    asked = settings(num_speakers=[1, 3], counts={"train": 1, "dev": 1, "test": 4})
    draw_plan(converted.speech, converted.noise, parts, "test", asked, 0, RATE)
    tables = [read_manifest(part) for part in parts]
    assert [sources_of(table.iloc[0]) for table in tables] == [["s1"], ["s1", "s2", "s3"]] * 2
    assert all(set(table) == set(tables[1]) for table in tables)


def test_a_plan_needs_enough_utterances_for_each_number(plan):
    plan(count=20, num_speakers=[1, 2])
    with pytest.raises(PipelineError, match=r"11 mixtures of 1 speakers asked, .* give 10 differ"):
        plan(count=21, num_speakers=[1, 2])


def test_everything_is_drawn_about_as_often(draws):
    table = draws(600, num_speakers=3)
    counts = sources(table)["utterance"].value_counts()
    assert len(counts) == 10 and counts.between(140, 220).all()  # 180 each, 5 sigma about 60
    assert table["noise"].value_counts().between(240, 360).all()
    snr = table["noise_snr"]
    assert -6 <= snr.min() < -5.9 and 2.9 < snr.max() <= 3
    assert snr.mean() == pytest.approx(-1.5, abs=0.5)


def test_speech_has_the_loudness_drawn(plan):
    loud, _ = levels(plan(speech_lufs=(-28, -28)))
    assert loud == pytest.approx(-28, abs=0.05)
    loud, _ = levels(plan(count=20))
    assert loud.min() >= -33.05 and loud.max() <= -24.95 and np.ptp(loud) > 4


def test_speech_is_never_above_the_peak(plan):
    loud, peaks = levels(plan(speech_lufs=(0, 0), peak=0.7))
    assert peaks == pytest.approx(0.7, abs=1e-3)
    assert (loud < -1).all()


@pytest.mark.parametrize("mode, pick", [("min", min), ("max", max)])
def test_the_length_is_that_of_the_shortest_or_longest(plan, converted, mode, pick):
    table = plan(mode=mode, num_speakers=3)
    samples = read_manifest(converted.speech).set_index("utterance")["samples"]
    for row in table.to_dict("records"):
        assert row["length"] == pick(samples[row[f"source_{k}_utterance"]] for k in (1, 2, 3))
    assert (sources(table)["start"] == 0).all()


def test_the_noise_begins_within_it(draws, converted):
    table = draws(400, num_speakers=2)
    samples = read_manifest(converted.noise).set_index("path")["samples"]
    held = samples[table["noise_source_path"]].to_numpy()
    spare = np.where(held >= table["length"], held - table["length"], held - 1)
    assert (table["noise_start"] >= 0).all() and (table["noise_start"] <= spare).all()
    for _, rows in table.assign(part=table["noise_start"] / spare).groupby("noise"):
        assert rows["part"].min() < 0.05 and rows["part"].max() > 0.95


@pytest.mark.parametrize("longer, starts", [(0, {0}), (1, {0, 1}), (-7990, set(range(10)))])
def test_every_start_of_the_noise_can_be_drawn(settings, longer, starts):
    voice = {"utterance": "a", "speaker": "b", "sex": "F", "path": "c", "samples": 8000}
    voice |= {"lufs": -20.0, "rms": -20.0, "peak": 0.5}
    noise = {"noise": "d", "path": "e", "samples": 8000 + longer, "lufs": -20.0, "rms": -20.0}
    noise |= {"peak": 0.5}
    columns = [{name: [value] for name, value in facts.items()} for facts in (voice, noise)]
    pool = Pool(columns[0], [0, 1], columns[1], RATE, columns[0], [0, 1])
    rngs = (np.random.default_rng(i) for i in range(200))
    drawn = [draw_mixture(pool, settings(num_speakers=1), rng, "train") for rng in rngs]
    assert {row["noise_start"] for row in drawn} == starts


def test_librimix_draws_the_loudness_of_the_noise(draws, converted):
    table = draws(200, noise_rule="librimix", num_speakers=2)
    assert "noise_snr" not in table
    lufs = read_manifest(converted.noise).set_index("path")["lufs"]
    drawn = lufs[table["noise_source_path"]].to_numpy() + 20 * np.log10(table["noise_gain"])
    assert -38.001 <= drawn.min() < -37.5 and -30.5 < drawn.max() <= -29.999


def test_librimix_keeps_the_noise_below_the_peak(draws, converted):
    table = draws(10, noise_rule="librimix", noise_lufs=(0, 0), num_speakers=2)
    peaks = read_manifest(converted.noise).set_index("path")["peak"]
    drawn = peaks[table["noise_source_path"]].to_numpy() * table["noise_gain"]
    assert drawn.to_numpy() == pytest.approx(0.9)


def test_librimix_names_the_users_noises_without_a_loudness(converted, settings, tmp_path):
    noise = read_manifest(converted.noise)
    noise.loc[noise["noise"] == "short", "lufs"] = np.nan
    write_manifest(tmp_path / "noise.csv", noise)

    def draw(**values):
        inputs = converted.speech, tmp_path / "noise.csv", [tmp_path / "plan.csv"]
        draw_plan(*inputs, "dev", settings(**values), 0, RATE)

    with pytest.raises(PipelineError) as error:
        draw(noise_rule="librimix")
    given = converted.noise.parent / "raw/wham_noise/cv/short.wav"
    assert given.exists()
    assert str(error.value) == (
        f"mixtures.noise_rule: 1 noises are too short or quiet for a loudness: {given};"
        " choose wham, remove them, or exclude them by mixtures.exclude_noises"
    )
    draw(noise_rule="wham")  # the printed cures
    draw(noise_rule="librimix", exclude_noises=["short"])


def test_manifests_of_older_versions_do_without_the_users_name(converted, settings, tmp_path):
    noise = read_manifest(converted.noise).drop(columns="original_path").assign(rms=-75.0)
    write_manifest(tmp_path / "noise.csv", noise)
    with pytest.raises(
        PipelineError, match=r"2 noises are too quiet.*/dev/long\.wav \(-75\.0\); /"
    ):
        load_pool(converted.speech, tmp_path / "noise.csv", "dev", settings(), RATE)


def test_librimix_refuses_a_quiet_noise_only_where_it_has_no_loudness(
    converted, settings, tmp_path
):
    noise = read_manifest(converted.noise).assign(rms=-71.0)
    write_manifest(tmp_path / "noise.csv", noise)
    pool = converted.speech, tmp_path / "noise.csv", "dev", settings(noise_rule="librimix"), RATE
    assert len(load_pool(*pool).noises["path"]) == 2
    write_manifest(tmp_path / "noise.csv", noise.assign(lufs=np.nan))
    with pytest.raises(PipelineError, match=r"2 noises are too quiet, below -70 dBFS"):
        load_pool(*pool)


@pytest.mark.parametrize(
    "corpus, column, value, fault",
    [
        ("speech", "rms", "inf", "'inf' is not a finite number"),
        ("speech", "samples", "many", "'many' is not a finite number"),
        ("speech", "samples", "0", "'0' is not above 0"),
        ("speech", "lufs", "-inf", "'-inf' is not a finite number"),
        ("noise", "lufs", "loud", "'loud' is not a finite number"),
        ("noise", "rms", "", "'nan' is not a finite number"),
        ("noise", "peak", "0", "'0' is not above 0"),
    ],
)
def test_wrong_numbers_of_a_manifest_are_named(
    converted, settings, tmp_path, corpus, column, value, fault
):
    paths = {"speech": converted.speech, "noise": converted.noise}
    cells = pd.read_csv(paths[corpus], dtype=str, keep_default_na=False)
    row = int(np.flatnonzero(cells["split"] == "test")[1])
    cells.loc[row, column] = value
    paths[corpus] = tmp_path / f"{corpus}.csv"
    cells.to_csv(paths[corpus], index=False)
    load_pool(*paths.values(), "dev", settings(), RATE)  # other splits do not read it
    with pytest.raises(PipelineError) as error:
        load_pool(*paths.values(), "test", settings(), RATE)
    shown = str(error.value).replace(".0'", "'")  # in a column with decimals
    where = f"{paths[corpus]}: row {row + 2}, {column}"
    assert shown == f"{where}: {fault}; run again with --forcerun convert"


def test_short_utterances_are_left_out_and_counted(plan, converted, caplog):
    with caplog.at_level(logging.WARNING):
        table = plan(min_seconds=1.22, num_speakers=2, count=14)
    speech = read_manifest(converted.speech).query("split == 'test'")
    long = set(speech[speech["samples"] >= 1.22 * RATE]["utterance"])
    assert len(long) == 6
    assert set(sources(table)["utterance"]) == long
    short = "shorter than mixtures.min_seconds = 1.22 s or have no loudness, not used"
    assert f"test: 4 of 10 utterances are {short}" in caplog.messages


def test_utterances_without_loudness_are_not_joined(converted, settings, tmp_path, caplog):
    speech = read_manifest(converted.speech)
    speech.loc[speech["utterance"].str.endswith("0000"), "lufs"] = np.nan
    write_manifest(tmp_path / "speech.csv", speech)
    mixtures = settings(min_seconds=5, join_silence=0)
    with caplog.at_level(logging.WARNING):
        pool = load_pool(tmp_path / "speech.csv", converted.noise, "test", mixtures, RATE)
    assert len(pool.utterances["path"]) == 5
    assert caplog.messages == ["test: 5 of 10 utterances have no loudness, not used"]


def test_an_utterance_of_just_the_length_is_used(plan, converted):
    longest = read_manifest(converted.speech)["samples"].max()
    assert (plan(min_seconds=longest / RATE, num_speakers=1, count=1)["length"] == longest).all()


@pytest.mark.parametrize(
    "values, cause",
    [
        ({"num_speakers": 6}, r"^mixtures: split test has 5 speakers .* num_speakers is 6; lower"),
        ({"min_seconds": 9}, r"^mixtures: split test has 0 speakers with long enough utterances"),
        (
            {"num_speakers": 1, "count": 11},
            r"^mixtures\.counts\.test: 11 mixtures asked, the utterances give 10 different ones",
        ),
    ],
)
def test_too_little_to_draw_from_is_refused(plan, tmp_path, values, cause):
    with pytest.raises(PipelineError, match=cause) as error:
        plan(**values)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_as_many_as_there_are_can_be_drawn(plan):
    assert len(plan(num_speakers=1, count=10)) == 10


@pytest.mark.parametrize("sizes", [[3], [1, 1, 1], [2, 3, 4], [5, 1, 2, 2, 7], [0, 2, 3]])
@pytest.mark.parametrize("chosen", [1, 2, 3, 5])
def test_combinations_are_counted_right(sizes, chosen):
    assert _combinations(sizes, chosen) == sum(prod(c) for c in combinations(sizes, chosen))


def test_a_speaker_like_a_number_stays_text(converted, settings, tmp_path):
    speech = read_manifest(converted.speech)
    speech["speaker"] = "00" + speech["speaker"]
    write_manifest(tmp_path / "speech.csv", speech)
    inputs = tmp_path / "speech.csv", converted.noise, [tmp_path / "plan.csv"]
    draw_plan(*inputs, "test", settings(), 0, RATE)
    assert sources(read_manifest(tmp_path / "plan.csv"))["speaker"].str.startswith("003").all()


def test_hours_are_filled_and_not_more(plan):
    table = plan(hours={"train": 1, "dev": 1, "test": 0.01}, min_seconds=0.5)
    seconds = table["length"].cumsum() / RATE
    assert seconds.iloc[-1] >= 36 > seconds.iloc[-2]


def test_hours_below_one_mixture_give_one(plan, tmp_path):
    assert len(plan(hours=dict.fromkeys(["train", "dev", "test"], 1e-9))) == 1


def test_hours_that_the_utterances_do_not_fill_are_refused(plan):
    with pytest.raises(
        PipelineError, match=r"^mixtures\.hours\.test: \d+ mixtures asked, .* give 10"
    ):
        plan(hours=dict.fromkeys(["train", "dev", "test"], 0.01), num_speakers=1)


def test_a_speaker_of_one_short_utterance_repeats_it(converted, settings, tmp_path):
    speech = read_manifest(converted.speech).query("split == 'test'").groupby("speaker").head(1)
    write_manifest(tmp_path / "speech.csv", speech)
    mixtures = settings(num_speakers=2, min_seconds=5, join_silence=0.5, mode="max")
    inputs = tmp_path / "speech.csv", converted.noise, [tmp_path / "plan.csv"]
    draw_plan(*inputs, "test", mixtures, 0, RATE)
    for row in read_manifest(tmp_path / "plan.csv").to_dict("records"):
        for k in (1, 2):
            paths = row[f"source_{k}_path"].split("|")
            assert len(paths) > 2 and len(set(paths)) == 1 and row[f"source_{k}_silence"] == 4000


def test_snr_is_drawn_from_its_levels(draws):
    counts = draws(300, noise_snr_levels=[-5, 0, 20])["noise_snr"].value_counts()
    assert set(counts.index) == {-5, 0, 20} and counts.between(70, 130).all()


def test_noises_of_excluded_types_are_not_drawn(draws):
    assert set(draws(50, exclude_noises=["sho"])["noise"]) == {"long"}
    with pytest.raises(PipelineError, match=r"mixtures\.exclude_noises: leaves no noise for split"):
        draws(1, exclude_noises=["sho", "lo"])


def test_speech_has_the_rms_drawn(plan):
    for source in sources(plan(speech_rms=(-25, -25))).itertuples():
        samples = audio.read_at(source.path, RATE) * source.gain
        assert 10 * np.log10(np.mean(samples.astype(float) ** 2)) == pytest.approx(-25, abs=0.01)


def test_utterances_of_a_speaker_are_joined_to_the_least_length(plan, converted):
    table = plan(count=8, min_seconds=4, join_silence=0.2, num_speakers=2)
    corpus = read_manifest(converted.speech).set_index("utterance")
    assert (table["length"] >= 4 * RATE).all()
    for source in sources(table).itertuples():
        parts = corpus.loc[source.utterance.split()]
        assert set(parts["speaker"]) == {source.speaker}
        assert list(parts["path"]) == source.path.split("|")
        assert parts["samples"].sum() + 0.2 * RATE * (len(parts) - 1) >= 4 * RATE
        assert parts["samples"].iloc[:-1].sum() + 0.2 * RATE * (len(parts) - 2) < 4 * RATE


def test_joined_speech_has_the_rms_drawn(plan):
    table = plan(min_seconds=4, join_silence=0, speech_rms=(-25, -25), num_speakers=1)
    for source in sources(table).itertuples():
        samples = np.concatenate([audio.read_at(p, RATE) for p in source.path.split("|")])
        power = np.mean((samples * source.gain).astype(float) ** 2)
        assert 10 * np.log10(power) == pytest.approx(-25, abs=0.01)


def test_only_the_train_split_has_noise_at_other_speeds(plan):
    speeds = plan(split="train", count=40, noise_speeds=[0.8, 1.0, 1.2])["noise_speed"]
    assert set(speeds) == {0.8, 1.0, 1.2}
    for split in ("dev", "test"):
        other = plan(split=split, count=12, noise_speeds=[0.8, 1.0, 1.2])["noise_speed"]
        assert (other == 1).all()


def test_segments_begin_anywhere_and_have_a_speed(draws, converted):
    table = draws(300, Segment(4000, (0.9, 1.1)), num_speakers=2)
    held = read_manifest(converted.speech).set_index("utterance")["samples"]
    assert (table["length"] == 4000).all()
    for k in (1, 2):
        speed, start = table[f"source_{k}_speed"], table[f"source_{k}_start"]
        assert 0.9 <= speed.min() < 0.91 and 1.09 < speed.max() <= 1.1
        spare = held[table[f"source_{k}_utterance"]].to_numpy() - np.ceil(4000 * speed)
        assert (start >= 0).all() and (start <= spare).all()
        assert (start / spare).min() < 0.02 and (start / spare).max() > 0.98
    assert (table["source_1_speed"] != table["source_2_speed"]).mean() > 0.95


def test_plans_are_drawn_and_written_without_scipy():
    """Its import takes longer than drawing most plans."""
    code = "import sys, pipeline.mixtures.plan, pipeline.mixtures.metadata; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pandas" in done.stdout.split() and "scipy" not in done.stdout.split()


BABBLE = {"babble": 1, "babble_voices": [3, 3], "num_speakers": 2}


@pytest.mark.parametrize("split", ["train", "test"])
def test_babble_is_of_other_voices_of_the_train_split(converted, settings, split):
    pool = load_pool(converted.speech, converted.noise, split, settings(**BABBLE), RATE)
    train = read_manifest(converted.speech).query("split == 'train'").set_index("path")
    for seed in range(30):
        row = draw_mixture(pool, settings(**BABBLE), np.random.default_rng(seed), split)
        voices = train.loc[split_paths(row["noise_source_path"])]
        speakers = [*voices["speaker"], *(row[f"source_{k}_speaker"] for k in (1, 2))]
        assert len(voices) == 3 and len(set(map(str, speakers))) == 5
        assert row["noise"].startswith("babble-3-") and -6 <= row["noise_snr"] <= 3


def test_a_share_of_the_noises_is_babble_and_none_changes_nothing(converted, settings):
    drawn = {}
    for share in (0, 0.3):
        given = settings(**BABBLE | {"babble": share})
        pool = load_pool(converted.speech, converted.noise, "train", given, RATE)
        rows = [
            draw_mixture(pool, given, np.random.default_rng(seed), "train") for seed in range(100)
        ]
        drawn[share] = [row["noise"].startswith("babble") for row in rows]
    assert not any(drawn[0]) and 15 < sum(drawn[0.3]) < 45
    plain = settings(num_speakers=2)
    pool = load_pool(converted.speech, converted.noise, "train", plain, RATE)
    for seed in range(8):  # plans without babble are those of before it was there
        row = draw_noise(pool, 4000, plain, np.random.default_rng(seed), "train")
        first = np.random.default_rng(seed).integers(len(pool.noises["noise"]))
        assert row["noise"] == pool.noises["noise"][first]
