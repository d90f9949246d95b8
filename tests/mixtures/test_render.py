import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate, digest_of, read_manifest, write_manifest
from pipeline.mixtures.names import sources_of
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import (
    babble,
    render,
    render_shard,
    repeat_noise,
    snr,
    snr_gain,
)

RATE = 8000
STEP = 1 / 32768  # of 16 bit
RULES = ["wham", "librimix"]


@pytest.fixture
def make(converted, settings, tmp_path):
    """`make(noise_rule="wham", …)` plans and renders a split, and returns its index."""

    def call(out="set", **values):
        mixtures = settings(**values)
        plan = tmp_path / "plan.csv"
        draw_plan(converted.speech, converted.noise, [plan], "train", mixtures, 0, RATE)
        render_shard(plan, tmp_path / out, RATE, mixtures)
        return read_manifest(tmp_path / out / "index.csv")

    return call


def signals(row, names=("mix_both", "mix_clean", "noise", "s1", "s2", "s3")):
    """The written signals of a mixture: name to samples."""
    return {n: audio.read_at(row[f"{n}_path"], RATE) for n in names if f"{n}_path" in row}


def power(samples):
    return np.mean(np.square(samples, dtype=np.float64))


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.wav")}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("num_speakers", [1, 3])
def test_mixtures_are_sums_of_the_written_signals(make, rule, num_speakers):
    table = make(noise_rule=rule, num_speakers=num_speakers)
    assert len(table) == 6
    for row in table.to_dict("records"):
        mixed = signals(row)
        assert all(len(samples) == row["length"] for samples in mixed.values())
        voices = sum(mixed[f"s{k}"] for k in range(1, num_speakers + 1))
        # Each file is rounded by half a step.
        assert np.abs(voices - mixed["mix_clean"]).max() <= (num_speakers + 1) * STEP / 2 + 1e-7
        both = mixed["mix_clean"] + mixed["noise"]
        assert np.abs(both - mixed["mix_both"]).max() <= 1.5 * STEP + 1e-7


@pytest.mark.parametrize("rule", RULES)
def test_mixtures_of_different_numbers_are_those_of_each_number(make, rule):
    table = make(noise_rule=rule, num_speakers=[1, 3])
    alone = {k: make(f"set-{k}", noise_rule=rule, num_speakers=k) for k in (1, 3)}
    assert set(table) == set(alone[3])
    for i, row in table.iterrows():
        number = (1, 3)[i % 2]
        own = alone[number].iloc[i]
        names = {"mix_both", "mix_clean", "noise", *(f"s{k}" for k in range(1, number + 1))}
        for name in names:
            mine, other = (Path(each[f"{name}_path"]).read_bytes() for each in (row, own))
            assert mine == other
        there = row.dropna()
        assert set(there.index) == set(own.dropna().index)
        facts = [name for name in there.index if not name.endswith("_path")]
        assert there[facts].to_dict() == own[facts].to_dict()
        assert sources_of(row) == sorted(name for name in names if name[0] == "s")


def test_shards_have_the_columns_of_the_largest_number(converted, settings, tmp_path):
    plans = [tmp_path / f"plan-{k}.csv" for k in range(2)]
    mixtures = settings(num_speakers=[1, 3], counts={"train": 2, "dev": 1, "test": 1})
    draw_plan(converted.speech, converted.noise, plans, "train", mixtures, 0, RATE)
    for k, plan in enumerate(plans):
        render_shard(plan, tmp_path / f"set-{k}", RATE, mixtures)
    indices = [tmp_path / f"set-{k}/index.csv" for k in range(2)]
    concatenate(indices, tmp_path / "mixtures.csv")
    table = read_manifest(tmp_path / "mixtures.csv")
    assert set(table) == set(read_manifest(indices[1]))
    assert table["s3_path"].isna().tolist() == table["source_3_lufs"].isna().tolist()
    assert table["s3_path"].isna().tolist() == [True, False]
    assert not (tmp_path / "set-0/s2").exists()


def test_a_source_that_lacks_some_of_its_cells_is_refused(converted, settings, tmp_path):
    plan, mixtures = tmp_path / "plan.csv", settings(num_speakers=[1, 3])
    draw_plan(converted.speech, converted.noise, [plan], "train", mixtures, 0, RATE)
    table = read_manifest(plan)
    table.loc[1, "source_2_gain"] = np.nan
    write_manifest(plan, table)
    with pytest.raises(PipelineError, match=r"row 3, source_2_gain: 'nan' is not a finite number"):
        render_shard(plan, tmp_path / "set", RATE, mixtures)


def test_sets_have_the_folders_and_format_of_librimix(make, tmp_path):
    table = make(num_speakers=2)
    folders = {p.name for p in (tmp_path / "set").iterdir() if p.is_dir()}
    assert folders == {"mix_both", "mix_clean", "s1", "s2", "noise"}
    names = {f"{f}/{i}.wav" for f in folders for i in table["mixture_id"]}
    assert set(files(tmp_path / "set")) == names
    assert audio.info(table["mix_both_path"][0]) == (RATE, table["length"][0], 1)


def test_the_digest_of_a_mixture_is_that_of_all_its_files(make):
    names = ("mix_both", "mix_clean", "s1", "s2", "s3", "noise")
    for row in make().to_dict("records"):
        contents = [Path(row[f"{name}_path"]).read_bytes() for name in names]
        digests = "".join(map(digest_of, contents))
        assert row["digest"] == digest_of(digests.encode())


@pytest.mark.parametrize("rule", RULES)
def test_the_noise_is_as_loud_as_recorded(make, rule):
    for row in make(noise_rule=rule).to_dict("records"):
        mixed = signals(row)
        loudest = max(power(mixed[name]) for name in ("s1", "s2", "s3"))
        written = 10 * np.log10(loudest / power(mixed["noise"]))
        assert row["noise_snr"] == pytest.approx(written, abs=0.02)


def test_wham_gives_the_snr_of_the_plan(make, tmp_path):
    table, plan = make(noise_rule="wham"), read_manifest(tmp_path / "plan.csv")
    assert table["noise_snr"].to_numpy() == pytest.approx(plan["noise_snr"].to_numpy(), abs=1e-3)
    assert table["noise_snr"].between(-6, 3).all() and table["noise_snr"].std() > 1
    assert list(table["noise_snr_asked"]) == list(plan["noise_snr"])
    assert list(table["noise_start"]) == list(plan["noise_start"])


def test_librimix_gives_the_gain_of_the_plan(make, tmp_path):
    table, plan = make(noise_rule="librimix"), read_manifest(tmp_path / "plan.csv")
    assert list(table["noise_gain"]) == list(plan["noise_gain"])
    assert "noise_snr_asked" not in table


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_gains_and_scale_give_the_written_signals_again(make, converted, rule, mode):
    lengths = read_manifest(converted.noise).set_index("path")["samples"]
    table = make(noise_rule=rule, mode=mode, speech_lufs=(-16, -12))
    assert (table["scale"] < 1).any()
    for row in table.to_dict("records"):
        mixed, length = signals(row), row["length"]
        for k in (1, 2, 3):
            source = audio.read_at(row[f"source_{k}_path"], RATE)[:length]
            expected = np.pad(source, (0, length - len(source)))
            expected *= np.float32(row[f"source_{k}_gain"] * row["scale"])
            assert np.abs(mixed[f"s{k}"] - expected).max() < 1.5 * STEP
        if row["noise_start"] + length <= lengths[row["noise_source_path"]]:
            part = audio.read_at(row["noise_source_path"], RATE, row["noise_start"], length)
            part *= np.float32(row["noise_gain"] * row["scale"])
            assert np.abs(mixed["noise"] - part).max() < 1.5 * STEP
    assert table["noise"].nunique() == 2  # the long noise was among them


@pytest.mark.parametrize("peak", [0.9, 0.25])
def test_the_peak_is_capped_and_the_scale_recorded(make, peak):
    capped = make(speech_lufs=(-12, -8), peak=peak)
    for row in capped.to_dict("records"):
        loudest = max(abs(samples).max() for samples in signals(row).values())
        assert loudest <= peak + STEP
        if row["scale"] < 1:
            assert loudest == pytest.approx(peak, abs=2 * STEP)
    assert (capped["scale"] < 1).any() and (capped["scale"] <= 1).all()


def test_quiet_mixtures_are_not_scaled(make):
    assert (make(speech_lufs=(-40, -38))["scale"] == 1).all()


def test_max_mode_pads_with_silence(make, converted):
    samples = read_manifest(converted.speech).set_index("utterance")["samples"]
    padded = 0
    for row in make(mode="max").to_dict("records"):
        held = [samples[row[f"source_{k}_utterance"]] for k in (1, 2, 3)]
        assert row["length"] == max(held)
        for k, end in enumerate(held, 1):
            mixed = signals(row)[f"s{k}"]
            assert np.all(mixed[end:] == 0) and np.any(mixed[end - 800 : end] != 0)
            padded += len(mixed) - end
    assert padded > 0


def test_rendering_again_gives_the_same_bytes(make, tmp_path):
    make("first"), make("second")
    first, second = (files(tmp_path / name) for name in ("first", "second"))
    assert len(first) == 36 and first == second


@pytest.mark.parametrize("rule", RULES)
def test_the_index_is_a_plan_that_gives_the_same_set(make, settings, tmp_path, rule):
    make("first", noise_rule=rule)
    render_shard(tmp_path / "first/index.csv", tmp_path / "again", RATE, settings())
    assert files(tmp_path / "again") == files(tmp_path / "first")


def test_a_moved_set_is_found(make, tmp_path):
    before = [signals(row) for row in make().to_dict("records")]
    shutil.move(tmp_path / "set", tmp_path / "moved")
    after = [signals(r) for r in read_manifest(tmp_path / "moved/index.csv").to_dict("records")]
    assert len(before) == 6
    for one, other in zip(before, after, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_snr_is_that_of_the_loudest_source():
    wave = np.tile([1.0, -1.0], 50)
    loud, quiet, noise = 0.2 * wave, -0.02 * wave, 0.02 * wave
    assert snr(np.stack([quiet, loud]), noise) == pytest.approx(20)
    assert snr_gain(np.stack([quiet, loud]), noise, 14) == pytest.approx(10 ** (6 / 20))


def planned(folder, noise, *gains):
    """A row of a plan that mixes `voice.wav` with itself and `noise.wav`."""
    row = {
        "length": 8000,
        "noise_source_path": str(folder / "noise.wav"),
        "noise_start": 3,
        "noise_speed": 1.0,
    } | noise
    for k, gain in enumerate(gains, 1):
        row |= {f"source_{k}_path": str(folder / "voice.wav")}
        row |= {f"source_{k}_start": 0, f"source_{k}_gain": gain}
    return row


def test_sources_that_cancel_each_other_are_capped_too(tmp_path, voice):
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    audio.write(tmp_path / "noise.wav", 0.01 * voice(1, 2, RATE), RATE)
    row = planned(tmp_path, {"noise_gain": 1.0}, 9.0, -9.0)
    mixed, facts = render(row, 2, RATE, 0.9)
    assert abs(mixed["mix_both"]).max() < 0.01
    assert abs(mixed["s1"]).max() == pytest.approx(0.9) and facts["scale"] < 1


@pytest.mark.parametrize("offset", [0.001, 0.01, 0.05])
def test_the_snr_is_that_of_the_sound_without_offsets(tmp_path, voice, offset):
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    hiss = 0.002 * np.random.default_rng(0).standard_normal(9000)
    audio.write(tmp_path / "noise.wav", (hiss + offset).astype(np.float32), RATE, "FLOAT")
    mixed, facts = render(planned(tmp_path, {"noise_snr": 0.0}, 1.0), 1, RATE, 1e9)
    assert mixed["noise"].std() == pytest.approx(mixed["s1"].std(), rel=0.002)
    assert facts["noise_snr"] == pytest.approx(0, abs=1e-5)


def test_snrs_without_an_offset_are_the_same_to_the_bit(voice):
    sources, noise = np.stack([voice(0, 1), voice(1, 1)]), voice(2, 1)
    powers = np.square(sources, dtype=np.float64).mean(axis=-1).max(), power(noise)
    assert snr(sources, noise) == 10 * np.log10(powers[0] / powers[1])


def test_a_very_quiet_noise_reaches_its_snr(tmp_path, voice):
    """-69 dBFS: a gain of more than 50 dB."""
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    hiss = 10 ** (-69 / 20) * np.random.default_rng(0).standard_normal(9000)
    audio.write(tmp_path / "noise.wav", hiss.astype(np.float32), RATE)
    mixed, facts = render(planned(tmp_path, {"noise_snr": -6.0}, 1.0), 1, RATE, 0.9)
    reached = 10 * np.log10(power(mixed["s1"]) / power(mixed["noise"]))
    assert reached == pytest.approx(-6, abs=0.001) and facts["noise_gain"] > 100


def test_a_noise_of_zeros_is_reported(tmp_path, voice, settings, caplog):
    """No plan has such a noise; a plan of an older version may have one."""
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    audio.write(tmp_path / "noise.wav", np.zeros(9000, np.float32), RATE)
    row = planned(tmp_path, {"noise_snr": 0.0}, 1.0)
    write_manifest(tmp_path / "plan.csv", pd.DataFrame([{"mixture_id": "a"} | row]))
    with caplog.at_level(logging.WARNING):
        render_shard(tmp_path / "plan.csv", tmp_path / "set", RATE, settings())
    assert caplog.messages == [
        "set: in 1 of 1 mixtures the noise is not at the SNR asked for;"
        " compare noise_snr with noise_snr_asked"
    ]
    [row] = read_manifest(tmp_path / "set/index.csv").to_dict("records")
    assert row["noise_snr_asked"] == 0 and np.isfinite(row["noise_snr"]) and row["noise_snr"] > 60
    mixed = signals(row)
    assert not mixed["noise"].any() and np.array_equal(mixed["mix_both"], mixed["mix_clean"])


@pytest.mark.parametrize(
    "column, value, fault",
    [
        ("noise_snr", "inf", "'inf' is not a finite number"),
        ("source_2_gain", "", "'nan' is not a finite number"),
        ("source_1_start", "soon", "'soon' is not a finite number"),
        ("source_3_start", "-1", "'-1' is below 0"),
        ("noise_start", "-0.5", "'-0.5' is below 0"),
        ("noise_speed", "0", "'0' is not above 0"),
        ("noise_rms", "-inf", "'-inf' is not a finite number"),
        ("length", "0", "'0' is not above 0"),
    ],
)
def test_wrong_numbers_of_a_plan_are_named(make, settings, tmp_path, column, value, fault):
    make()
    cells = pd.read_csv(tmp_path / "plan.csv", dtype=str, keep_default_na=False)
    cells.loc[3, column] = value
    cells.to_csv(tmp_path / "plan.csv", index=False)
    with pytest.raises(PipelineError) as error:
        render_shard(tmp_path / "plan.csv", tmp_path / "other", RATE, settings())
    shown = str(error.value).replace(".0'", "'")  # in a column with a decimal
    assert shown == f"{tmp_path}/plan.csv: row 5, {column}: {fault}; delete it and run again"
    assert not (tmp_path / "other").exists()


def test_silence_in_silence_is_rendered(tmp_path):
    """A piece of a recording may be all zeros, for voice and noise."""
    for name in ("voice", "noise"):
        audio.write(tmp_path / f"{name}.wav", np.zeros(9000, np.float32), RATE)
    mixed, facts = render(planned(tmp_path, {"noise_snr": 0.0}, 1.0), 1, RATE, 0.9)
    assert facts["scale"] == 1 and not any(samples.any() for samples in mixed.values())


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.2])
def test_a_noise_of_three_samples_is_repeated(tmp_path, voice, speed):
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    audio.write(tmp_path / "noise.wav", np.array([0.5, -0.5, 0.1], np.float32), RATE)
    noise = {"noise_snr": 3.0, "noise_start": 0, "noise_speed": speed}
    mixed, facts = render(planned(tmp_path, noise, 1.0), 1, RATE, 0.9)
    assert len(mixed["noise"]) == 8000 and np.isfinite(mixed["noise"]).all()
    assert facts["noise_snr"] == pytest.approx(3)


def test_a_noise_of_one_sample_is_not_sound(tmp_path, voice):
    """No plan has such a noise; a plan of an older version may have one."""
    audio.write(tmp_path / "voice.wav", voice(0, 1, RATE), RATE)
    audio.write(tmp_path / "noise.wav", np.array([0.5], np.float32), RATE)
    mixed, facts = render(
        planned(tmp_path, {"noise_snr": 3.0, "noise_start": 0}, 1.0), 1, RATE, 0.9
    )
    assert not mixed["noise"].any() and facts["scale"] == 1


def test_joined_speech_is_padded_in_max_mode(make):
    table = make(mode="max", min_seconds=3, join_silence=0.25, num_speakers=2, mix_single=True)
    assert not table.drop(columns="source_1_sex").isna().any(axis=None)
    for row in table.to_dict("records"):
        mixed = signals(row, ("s1", "s2", "mix_single"))
        assert all(len(samples) == row["length"] for samples in mixed.values())
        ends = [np.flatnonzero(mixed[name])[-1] for name in ("s1", "s2")]
        assert min(ends) < max(ends) and max(ends) > row["length"] - 10


@pytest.fixture(scope="module")
def white():
    return np.random.default_rng(0).standard_normal(60000).astype(np.float32)


def test_repeated_noise_keeps_its_power_through_the_seam(white):
    fade = 20000
    again = repeat_noise(white, 0, 3 * len(white), fade)
    period = len(white) - fade
    for part in np.split(again[period : period + fade], 4):  # 5000 samples: sigma is 2 %
        assert power(part) == pytest.approx(1, abs=0.08)
    jumps = np.abs(np.diff(repeat_noise(np.cumsum(white) / 100, 0, 3 * len(white), fade)))
    assert jumps.max() < 0.06  # a random walk in steps of 0.01 remains one


@pytest.mark.parametrize("start", [400, 5000, 59599])
def test_repeated_noise_begins_at_its_start(white, start):
    again = repeat_noise(white, start, 150000, 400)
    assert len(again) == 150000
    end = len(white) - 400
    assert np.array_equal(again[: end - start], white[start:end])
    assert np.array_equal(again[end:], again[:-end])


@pytest.mark.parametrize("held", [1, 4, 5, 399, 401, 799])
@pytest.mark.parametrize("length", [1, 800, 5000])
def test_noise_of_any_length_is_repeated(white, held, length):
    again = repeat_noise(white[:held], held - 1, length, 400)
    assert again.shape == (length,) and again.dtype == np.float32
    assert np.isfinite(again).all() and again.any()


def test_short_noise_fills_the_mixture(make):
    rows = [row for row in make().to_dict("records") if row["noise"] == "short"]
    assert rows
    for row in rows:
        parts = np.array_split(signals(row)["noise"], 8)
        levels = 10 * np.log10([power(part) for part in parts])
        assert np.ptp(levels) < 2  # white noise of 1000 samples each


def test_a_corpus_at_another_rate_is_named(make, settings, tmp_path):
    make()
    with pytest.raises(PipelineError, match=r"is at 8000 Hz where 16000 Hz is expected"):
        render_shard(tmp_path / "plan.csv", tmp_path / "other", 16000, settings())
    assert not (tmp_path / "other/index.csv").exists()


def test_a_lost_source_is_named(make, settings, tmp_path):
    make()
    plan = read_manifest(tmp_path / "plan.csv")
    plan.loc[2, "source_2_path"] = str(tmp_path / "lost.wav")
    write_manifest(tmp_path / "plan.csv", plan)
    with pytest.raises(PipelineError, match=r"lost\.wav: no such file"):
        render_shard(tmp_path / "plan.csv", tmp_path / "other", RATE, settings())


def test_mix_single_is_the_first_speaker_in_the_noise(make):
    for row in make(mix_single=True, num_speakers=2).to_dict("records"):
        mixed = signals(row, ("mix_single", "s1", "noise"))
        assert np.abs(mixed["s1"] + mixed["noise"] - mixed["mix_single"]).max() <= 1.5 * STEP + 1e-7


def test_joined_utterances_are_mixed_with_their_silence(make, converted):
    for row in make(min_seconds=3, join_silence=0.25, num_speakers=1).to_dict("records"):
        paths = row["source_1_path"].split("|")
        assert len(paths) > 1
        mixed, gain = signals(row)["s1"], np.float32(row["source_1_gain"] * row["scale"])
        end = 0
        for path in paths:
            said = audio.read_at(path, RATE)
            assert np.abs(mixed[end : end + len(said)] - said * gain).max() < 1.5 * STEP
            end += len(said)
            assert not mixed[end : end + 2000].any()
            end += 2000
        assert len(mixed) == end - 2000


@pytest.mark.parametrize("speed", [0.8, 0.95, 1.05, 1.2])
def test_a_faster_voice_is_higher_and_shorter(tmp_path, speed):
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(16000) / RATE).astype(np.float32)
    audio.write(tmp_path / "voice.wav", tone, RATE)
    audio.write(tmp_path / "noise.wav", tone, RATE)
    row = planned(tmp_path, {"noise_gain": 1.0, "noise_speed": speed}, 1.0)
    mixed, _ = render(row | {"source_1_speed": speed}, 1, RATE, 0.9)
    expected = 0.3 * np.sin(2 * np.pi * 500 * speed * np.arange(8000) / RATE)
    assert np.abs(mixed["s1"] - expected)[200:-200].max() < 1e-3
    lag = 2 * np.pi * 500 * 3 / RATE  # the noise begins at sample 3
    expected = 0.3 * np.sin(2 * np.pi * 500 * speed * np.arange(8000) / RATE + lag)
    assert np.abs(mixed["noise"] - expected)[200:-200].max() < 1e-3


def test_babble_is_a_sum_of_voices_of_equal_power(tmp_path, voice):
    voices, paths = [voice(k, 1 + k / 2, 8000) * 10 ** (-k / 4) for k in range(3)], []
    for k, samples in enumerate(voices):
        paths.append(str(tmp_path / f"{k}.wav"))
        audio.write(paths[-1], samples.astype(np.float32), 8000)
    found = babble(paths, 5000, 20000, 8000)
    parts = [
        repeat_noise(samples / np.sqrt(np.mean(samples**2)), 5000 % len(samples), 20000, 400)
        for samples in voices
    ]
    np.testing.assert_allclose(found, sum(parts), atol=2e-2)  # 16-bit files of quiet voices
    shares = np.linalg.lstsq(np.stack(parts, 1), found, rcond=None)[0]
    assert shares == pytest.approx([1, 1, 1], abs=1e-2)


def test_babble_is_at_the_snr_of_the_plan(make):
    index = make(num_speakers=2, babble=1, babble_voices=[3, 3])
    assert len(set(index["noise"])) > 1 and index["noise"].str.startswith("babble-3-").all()
    assert (abs(index["noise_snr"] - index["noise_snr_asked"]) < 0.05).all()
    noises = [audio.read_at(path, 8000) for path in index["noise_path"]]
    assert all(samples.std() > 0 for samples in noises)
