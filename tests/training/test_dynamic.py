"""Mixtures drawn during training: the same for any reader, and drawn like those of the plan."""

import math
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
import soxr
import torch
from safetensors.torch import load_file

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.config import Training
from pipeline.losses.loss import Loss
from pipeline.mixtures.draw import Segment, draw_mixture
from pipeline.mixtures.render import render
from pipeline.models import build
from pipeline.models.card import Card, read_card
from pipeline.models.weights import save_weights
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.training.data import Recordings
from pipeline.training.dynamic import (
    DRAWS,
    FreshMixtures,
    FreshSampler,
    fresh_mixtures,
)
from pipeline.training.module import Trainee, TrainingData
from pipeline.training.train import fingerprint, front_of

RATE = 8000
TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}
SECTION = Training(data="dynamic", segment_seconds=0.5, batch_size=4, optimizer="adam")
LOSS = Loss(SEPARATE.loss, SEPARATE.permuted, 8000)


@pytest.fixture
def fresh(converted, settings):
    """`fresh(condition, front, num_speakers=2, …)`: mixtures of a separator, or of the denoiser."""

    def make(condition=None, front=None, **values):
        corpora, mixtures = (converted.speech, converted.noise), settings(**values)
        if condition is None:
            return fresh_mixtures(DENOISE, *corpora, mixtures, "noisy", None, RATE)
        return fresh_mixtures(SEPARATE, *corpora, mixtures, condition, front, RATE)

    return make


@pytest.fixture
def front(tmp_path):
    """Weights of a denoiser."""
    torch.manual_seed(0)
    path = tmp_path / "denoiser.safetensors"
    save_weights(path, build("conv_tasnet", TINY, 1, RATE), Card("conv_tasnet", TINY, 1, RATE))
    return path


def batches(data, workers=0, epoch=0, first=0, seed=7):
    items = FreshMixtures(data, SECTION, seed)
    sampler = FreshSampler(len(items), seed, epoch, first)
    return list(torch.utils.data.DataLoader(items, 4, sampler=sampler, num_workers=workers))


def same(one, other):
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


def test_a_denoiser_learns_from_any_number_of_speakers(fresh):
    section = SECTION.model_copy(update={"fewest_speakers": 1})
    items = FreshMixtures(fresh(num_speakers=3), section, 7)
    plain = FreshMixtures(fresh(num_speakers=3), SECTION, 7)
    found = {}
    for item in range(30):
        row = items.draw((0, item))
        number = sum(name.endswith("_speaker") for name in row)
        signals, _ = render(row, number, RATE, items.fresh.settings.peak)
        inputs, targets = items[0, item]
        np.testing.assert_array_equal(inputs, signals["mix_both"])
        np.testing.assert_array_equal(targets, signals["mix_clean"][None])
        found.setdefault(number, []).append(row == plain.draw((0, item)))
    assert {number: len(rows) for number, rows in found.items()} == {1: 10, 2: 10, 3: 10}
    assert all(found[3])  # those with all speakers are the mixtures that are drawn without it


@pytest.mark.parametrize("num_speakers", [1, 3])
def test_an_item_is_a_mixture_of_the_condition(fresh, num_speakers):
    key, values = (2, 5), {"num_speakers": num_speakers}
    inputs_of = {
        None: ("mix_both", ["mix_clean"]),
        "clean": ("mix_clean", [f"s{k}" for k in range(1, num_speakers + 1)]),
        "noisy": ("mix_both", [f"s{k}" for k in range(1, num_speakers + 1)]),
        "denoised-x": ("mix_both", [f"s{k}" for k in range(1, num_speakers + 1)]),
    }
    for condition, (mixture, wanted) in inputs_of.items():
        data = fresh(condition, **values)
        items = FreshMixtures(data, SECTION, 7)
        signals, _ = render(items.draw(key), num_speakers, RATE, data.settings.peak)
        inputs, targets = items[key]
        assert inputs.shape == (4000,) and inputs.dtype == torch.float32
        assert targets.shape == (data.num_sources, 4000) == (len(wanted), 4000)
        np.testing.assert_array_equal(inputs, signals[mixture])
        np.testing.assert_array_equal(targets, np.stack([signals[name] for name in wanted]))


def test_numbers_of_speakers_take_turns_in_an_epoch(fresh):
    items = FreshMixtures(fresh("noisy", num_speakers=[1, 3]), SECTION, 7)
    for item in range(4):
        number = (1, 3)[item % 2]
        inputs, targets = items[1, item]
        same, alone = FreshMixtures(fresh("noisy", num_speakers=number), SECTION, 7)[1, item]
        assert torch.equal(inputs, same) and torch.equal(targets[:number], alone)
        assert targets.shape == (3, 4000) and not targets[number:].any()


def played(path, start, length, speed):
    """A stretch of a file, `[length]`, played at some speed, with only soundfile and soxr."""
    said, _ = sf.read(path, math.ceil(length * speed), start, dtype="float32", fill_value=0)
    return said if speed == 1 else soxr.resample(said, speed, 1, quality="HQ")[:length]


def mean_powers(signals):
    return np.mean(signals.astype(np.float64) ** 2, axis=-1)


@pytest.mark.parametrize("speeds", [(0.9, 1.1), (1, 1)])
@pytest.mark.parametrize("peak", [0.9, 0.05])
def test_an_item_follows_its_row_to_the_bit(fresh, speeds, peak):
    data = fresh("noisy", peak=peak)
    items = FreshMixtures(data, SECTION.model_copy(update={"speech_speed": speeds}), 7)
    held = dict(zip(data.pool.noises["path"], data.pool.noises["samples"], strict=True))
    looked_at = 0
    for key in [(1, item) for item in range(12)]:
        row = items.draw(key)
        if held[row["noise_source_path"]] < row["noise_start"] + 4000:
            continue  # repeated
        names = [f"source_{k}" for k in (1, 2, 3)]
        placed = [[row[f"{n}_{x}"] for x in ("path", "start", "speed", "gain")] for n in names]
        sources = np.stack([played(p, at, 4000, v) * np.float32(g) for p, at, v, g in placed])
        noise = played(row["noise_source_path"], row["noise_start"], 4000, row["noise_speed"])
        snr = 10 * np.log10(mean_powers(sources).max() / mean_powers(noise))
        noise = noise * np.float32(10 ** ((snr - row["noise_snr"]) / 20))
        clean = sources[0] + sources[1] + sources[2]
        loudest = float(np.abs([*sources, noise, clean, clean + noise]).max())
        scale = np.float32(peak / max(loudest, peak))
        inputs, targets = items[key]
        np.testing.assert_array_equal(inputs, (clean + noise) * scale)
        np.testing.assert_array_equal(targets, sources * scale)
        looked_at += 1
    assert looked_at > 4


def test_draws_are_those_of_the_plan_with_a_place_and_a_speed(fresh):
    data = fresh("noisy")
    rng = np.random.default_rng([7, DRAWS, 3, 1])
    segment = Segment(4000, SECTION.speech_speed)
    expected = draw_mixture(data.pool, data.settings, rng, "train", segment)
    assert FreshMixtures(data, SECTION, 7).draw((3, 1)) == expected


@pytest.mark.parametrize("rule", ["wham", "librimix"])
def test_levels_and_speeds_are_within_the_configured_ranges(fresh, rule):
    data = fresh("noisy", noise_rule=rule, noise_speeds=[0.8, 1.0], peak=1.0)
    items = FreshMixtures(data, SECTION, 0)
    rows = [items.draw((epoch, item)) for epoch in range(20) for item in range(10)]
    lufs = dict(zip(data.pool.utterances["path"], data.pool.utterances["lufs"], strict=True))
    held = dict(zip(data.pool.utterances["path"], data.pool.utterances["samples"], strict=True))
    levels, speeds, places = [], [], []
    for row in rows:
        assert len({row[f"source_{k}_speaker"] for k in (1, 2, 3)}) == 3
        for k in (1, 2, 3):
            path, speed = row[f"source_{k}_path"], row[f"source_{k}_speed"]
            levels.append(lufs[path] + 20 * np.log10(row[f"source_{k}_gain"]))
            speeds.append(speed)
            places.append(row[f"source_{k}_start"])
            assert 0 <= row[f"source_{k}_start"] <= held[path] - 4000 * speed
    spans = [(levels, (-33, -25)), (speeds, (0.95, 1.05))]
    if rule == "wham":
        spans.append(([row["noise_snr"] for row in rows], (-6, 3)))
    for values, (low, high) in spans:
        assert low - 1e-9 <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high + 1e-9
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=0.08 * (high - low))
    assert len(set(places)) > 300
    assert {row["noise_speed"] for row in rows} == {0.8, 1.0}


def test_no_epoch_repeats_another(fresh):
    items = FreshMixtures(fresh("noisy"), SECTION, 7)
    drawn = {items[epoch, item][0].numpy().tobytes() for epoch in range(3) for item in range(6)}
    assert len(drawn) == 18
    assert not torch.equal(items[0, 0][0], FreshMixtures(items.fresh, SECTION, 8)[0, 0][0])


def test_the_sampler_goes_through_an_epoch_and_continues_within_one(fresh):
    sampler = FreshSampler(5, 7, epoch=2, first=3)
    assert list(sampler) == [(2, 3), (2, 4)]
    sampler.set_epoch(3)
    assert list(sampler) == [(3, item) for item in range(5)]


def test_workers_and_resuming_change_nothing(fresh):
    data = fresh("noisy", counts={"train": 10, "dev": 1, "test": 1})
    whole = batches(data, epoch=1)
    assert [len(inputs) for inputs, _ in whole] == [4, 4, 2]
    assert same(batches(data, workers=2, epoch=1), whole)
    assert same(batches(data, workers=2, epoch=1, first=4), whole[1:])
    assert not same(batches(data, epoch=2), whole)


def test_the_fingerprint_is_that_of_the_corpora_and_the_front(fresh, front, converted, tmp_path):
    first = fingerprint(fresh("noisy"))
    assert fingerprint(fresh("noisy")) == first
    assert fingerprint(fresh("denoised-x", front)) != first
    for kind, column in [("speech", "lufs"), ("noise", "samples")]:
        table = read_manifest(getattr(converted, kind))
        moved, changed = tmp_path / f"moved_{kind}.csv", tmp_path / f"changed_{kind}.csv"
        write_manifest(moved, table.assign(path=[f"/elsewhere/{p}" for p in table["path"]]))
        trains = table["split"] == "train"
        write_manifest(changed, table.assign(**{column: table[column] + trains}))
        paths = {"speech": converted.speech, "noise": converted.noise}
        mixtures = fresh("noisy").settings
        again, other = (
            fresh_mixtures(
                SEPARATE, *(paths | {kind: path}).values(), mixtures, "noisy", None, RATE
            )
            for path in (moved, changed)
        )
        assert fingerprint(again) == first != fingerprint(other)


def test_weights_of_another_front_are_other_data(fresh, front):
    first = fingerprint(fresh("denoised-x", front))
    save_weights(front, build("conv_tasnet", TINY, 1, RATE), Card("conv_tasnet", TINY, 1, RATE))
    assert fingerprint(fresh("denoised-x", front)) != first


def test_the_front_is_not_part_of_the_trained_network():
    network, front = (build("conv_tasnet", TINY, n, RATE) for n in (2, 1))
    trainee = Trainee(network, LOSS, SECTION, front)
    assert trainee.state_dict().keys() == Trainee(network, LOSS, SECTION).state_dict().keys()
    assert {id(p) for p in trainee.parameters()} == {id(p) for p in network.parameters()}
    trainee.train()
    assert network.training and not front.training
    assert not any(p.requires_grad for p in front.parameters())


def test_the_input_of_the_network_is_the_output_of_the_front():
    network, front = (build("conv_tasnet", TINY, n, RATE) for n in (2, 1))
    trainee = Trainee(network, LOSS, SECTION, front)
    plain = Trainee(network, LOSS, SECTION)
    for one in (trainee, plain):
        one.log = lambda *_, **__: None
    inputs, targets = torch.randn(3, 4000), torch.randn(3, 2, 4000)
    with torch.no_grad():
        denoised = front(inputs)[:, 0]
    loss = trainee.training_step((inputs, targets), 0)
    assert torch.equal(loss, plain.training_step((denoised, targets), 0))
    assert not torch.equal(loss, plain.training_step((inputs, targets), 0))
    loss.backward()
    assert any(p.grad is not None for p in network.parameters())
    assert all(p.grad is None for p in front.parameters())
    whole = (torch.randn(1, 5000), torch.randn(1, 2, 5000), torch.randn(1, 5000))
    with torch.no_grad():  # the mixtures of dev are denoised already
        assert torch.equal(trainee.validation_step(whole, 0), plain.validation_step(whole, 0))


def test_a_share_of_the_mixture_is_added_to_the_output_of_the_front(fresh, front):
    data = fresh("denoised-x", front)
    mixtures = torch.randn(2, 4000)
    with torch.no_grad():
        plain = front_of(data)(mixtures)
        blended = front_of(replace(data, dry=0.25))(mixtures).estimates
    torch.testing.assert_close(blended, 0.75 * plain + 0.25 * mixtures[:, None])


def test_an_epoch_has_the_count_of_the_train_split(fresh, attempt, tmp_path):
    one = attempt(tmp_path, data="dynamic")
    data = TrainingData(*one.examples, SECTION, 7, 0)
    assert len(data.segments) == one.examples[0].settings.counts.train == 22
    assert isinstance(data.dev, Recordings)


def test_an_epoch_fills_the_hours_where_those_are_requested(fresh):
    hours = {"train": 0.01, "dev": 1, "test": 1}  # 36 s, in pieces of half a second
    assert len(FreshMixtures(fresh("noisy", hours=hours), SECTION, 7)) == 72


def test_an_utterance_as_long_as_the_segment_or_shorter_begins_with_it(fresh):
    data = fresh("clean", num_speakers=1)
    held = max(data.pool.utterances["samples"])
    for samples, spare in ((held, 0), (held + 800, 800)):
        section = Training(segment_seconds=samples / RATE, speech_speed=(1, 1))
        items = FreshMixtures(data, section, 7)
        rows = [items.draw((0, item)) for item in range(20)]
        assert {row["source_1_start"] for row in rows} == {0}
        _, targets = items[0, 0]
        assert targets.shape == (1, samples) and not targets[:, samples - spare :].any()


def test_joined_utterances_are_drawn_too(fresh):
    data = fresh("noisy", num_speakers=1, min_seconds=3, join_silence=0.25)
    items = FreshMixtures(data, SECTION, 7)
    rows = [items.draw((0, item)) for item in range(20)]
    assert all("|" in row["source_1_path"] for row in rows)
    assert max(row["source_1_start"] for row in rows) > 2 * RATE
    drawn = [items[0, item][1] for item in range(20)]
    assert all(piece.shape == (1, 4000) for piece in drawn) and any(piece.any() for piece in drawn)


def test_a_trained_network_holds_nothing_of_its_front(attempt, front, tmp_path):
    before = front.read_bytes()
    run = attempt(tmp_path / "denoised", data="dynamic", epochs=2, ema_decay=0.9, front=front).run()
    assert front.read_bytes() == before
    held, plain = load_file(run.weights), build("conv_tasnet", TINY, 2, RATE).state_dict()
    assert held.keys() == plain.keys()
    card = read_card(run.weights)
    assert card.training["mixtures"] == run.job.mixtures and card.training["steps"] == 12
    noisy = attempt(tmp_path / "noisy", data="dynamic", epochs=2, ema_decay=0.9).run()
    assert not all(torch.equal(held[name], t) for name, t in load_file(noisy.weights).items())


def test_a_front_of_another_rate_is_refused(attempt, tmp_path):
    path = tmp_path / "front.safetensors"
    save_weights(path, build("conv_tasnet", TINY, 1, 16000), Card("conv_tasnet", TINY, 1, 16000))
    other = attempt(tmp_path / "run", data="dynamic", front=path)
    with pytest.raises(PipelineError, match="trained at 16000 Hz, asked for 8000 Hz"):
        other.run()


AUGMENT = {"chance": 1, "remix": True, "shift": 0.1, "reverberation": [0.2, 0.4]}
AUGMENT |= {"band_mask": 0.2, "gain": [-6, 6], "clipping": [-12, -3]}
AUGMENTED = Training(**(SECTION.model_dump() | {"augment": AUGMENT}))


def test_an_augmented_mixture_is_still_a_sum_at_the_snr_of_its_row(fresh):
    data = fresh("noisy")
    items, plain = FreshMixtures(data, AUGMENTED, 7), FreshMixtures(data, SECTION, 7)
    for key in [(1, item) for item in range(5)]:
        signals = items.signals(key)
        sources = np.stack([signals[f"s{k}"] for k in (1, 2, 3)])
        clean, noise = signals["mix_clean"], signals["noise"]
        np.testing.assert_allclose(sources.sum(0), clean, atol=1e-6)
        np.testing.assert_allclose(clean + noise, signals["mix_both"], atol=1e-6)
        row = items.draw(key)
        assert row == plain.draw(key)  # of which the augmentation changes nothing
        level = 10 * np.log10(mean_powers(sources).max() / mean_powers(noise))
        assert level == pytest.approx(row["noise_snr"], abs=0.05)
        inputs, targets = items[key]
        assert (inputs.numpy() == signals["mix_both"]).all()
        assert (targets.numpy() == sources).all()
        assert not torch.equal(inputs, plain[key][0])


def test_augmentations_depend_on_seed_epoch_and_item_alone(fresh):
    items = FreshMixtures(fresh("noisy"), AUGMENTED, 7)
    again = FreshMixtures(fresh("noisy"), AUGMENTED, 7)
    one, other = items[1, 3][0], items[2, 3][0]
    again[0, 0]
    assert torch.equal(again[1, 3][0], one) and not torch.equal(one, other)
    assert not torch.equal(FreshMixtures(items.fresh, AUGMENTED, 8)[1, 3][0], one)
