import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.training.data import (
    EpochSampler,
    Recordings,
    Segments,
    examples,
    segment_starts,
)
from pipeline.training.train import fingerprint

RATE = 8000
LENGTHS = [8000, 9001, 3000]


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory, write_set):
    return write_set(tmp_path_factory.mktemp("data") / "dev", 3, LENGTHS)


def direct(mixtures, row, name, start=0, stop=None):
    path = read_manifest(mixtures)[f"{name}_path"][row]
    return sf.read(path, dtype="float32", start=start, stop=stop)[0]


@pytest.mark.parametrize("length", [1, 99, 100, 101, 199, 200, 201, 250, 1000])
def test_segments_cover_every_sample(length):
    starts = segment_starts(length, 100)
    assert starts == sorted(set(starts)) and starts[0] == 0
    assert set().union(*(range(s, min(s + 100, length)) for s in starts)) == set(range(length))
    assert len(starts) == -(-length // 100)
    assert starts[-1] == max(0, length - 100)  # aligned with the end


def test_segments_hold_the_samples_of_the_files(mixtures):
    segments = Segments(examples(SEPARATE, mixtures, "noisy", None, RATE), 0.5)
    assert segments.pieces == [(0, 0), (0, 4000), (1, 0), (1, 4000), (1, 5001), (2, 0)]
    inputs, targets = segments[4]
    assert targets.shape == (2, 4000)
    np.testing.assert_array_equal(inputs, direct(mixtures, 1, "mix_both", 5001, 9001))
    np.testing.assert_array_equal(targets[1], direct(mixtures, 1, "s2", 5001, 9001))


def test_the_target_of_a_speaker_that_a_mixture_lacks_is_zero(mixtures, tmp_path):
    table = read_manifest(mixtures)
    table.loc[0, "s2_path"] = None
    write_manifest(tmp_path / "mixtures.csv", table)
    found = examples(SEPARATE, tmp_path / "mixtures.csv", "noisy", None, RATE)
    whole = examples(SEPARATE, mixtures, "noisy", None, RATE)
    for kind in (lambda each: Segments(each, 0.5), Recordings):
        (inputs, targets, *_), (same, both, *_) = kind(found)[0], kind(whole)[0]
        assert torch.equal(inputs, same) and torch.equal(targets[0], both[0])
        assert not targets[1].any() and targets.shape == both.shape
        assert all(map(torch.equal, kind(found)[2], kind(whole)[2]))


def test_short_recording_is_padded_with_zeros(mixtures):
    inputs, targets = Segments(examples(DENOISE, mixtures, "noisy", None, RATE), 0.5)[5]
    assert inputs.shape == (4000,) and targets.shape == (1, 4000)
    np.testing.assert_array_equal(inputs[:3000], direct(mixtures, 2, "mix_both"))
    np.testing.assert_array_equal(targets[0, :3000], direct(mixtures, 2, "mix_clean"))
    assert not inputs[3000:].any() and not targets[:, 3000:].any()


def test_recordings_are_whole(mixtures):
    recordings = Recordings(examples(SEPARATE, mixtures, "clean", None, RATE))
    assert len(recordings) == 3
    inputs, targets, noisy = recordings[1]
    np.testing.assert_array_equal(inputs, direct(mixtures, 1, "mix_clean"))
    np.testing.assert_array_equal(noisy, direct(mixtures, 1, "mix_both"))
    np.testing.assert_array_equal(targets[0], direct(mixtures, 1, "s1"))
    np.testing.assert_array_equal(targets[1], direct(mixtures, 1, "s2"))


def denoised_set(folder, ids):
    rows = [
        {"mixture_id": i, "mix_clean_path": folder / f"denoised-{i}.wav", "digest": f"d{i}"}
        for i in ids
    ]
    write_manifest(folder / "estimates.csv", pd.DataFrame(rows))
    return folder / "estimates.csv"


def test_condition_chooses_the_input(mixtures, tmp_path):
    table = read_manifest(mixtures)
    ids = table["mixture_id"]
    denoised = denoised_set(tmp_path, ids[::-1])  # matched by id, not by position
    chosen = {
        condition: examples(SEPARATE, mixtures, condition, path, RATE).table["input_path"].tolist()
        for condition, path in [("clean", None), ("noisy", None), ("denoised-x", denoised)]
    }
    assert chosen["clean"] == table["mix_clean_path"].tolist()
    assert chosen["noisy"] == table["mix_both_path"].tolist()
    assert chosen["denoised-x"] == [str(tmp_path / f"denoised-{i}.wav") for i in ids]


def test_missing_denoised_mixture_is_named(mixtures, tmp_path):
    ids = read_manifest(mixtures)["mixture_id"]
    denoised = denoised_set(tmp_path, ids[:1])
    with pytest.raises(PipelineError) as error:
        examples(SEPARATE, mixtures, "denoised-x", denoised, RATE)
    assert str(error.value) == (
        f"{denoised}: lacks mixture {ids[1]} and 1 more; delete it and run again"
    )
    denoised.unlink()
    denoised_set(tmp_path, ids)  # the job that makes it
    assert len(examples(SEPARATE, mixtures, "denoised-x", denoised, RATE).table) == 3


def test_every_file_counts_in_the_fingerprint(mixtures, tmp_path):
    table = read_manifest(mixtures)
    denoised = denoised_set(tmp_path, table["mixture_id"])
    first = fingerprint(examples(SEPARATE, mixtures, "denoised-x", denoised, RATE))
    assert fingerprint(examples(SEPARATE, mixtures, "denoised-x", denoised, RATE)) == first
    changes = [(mixtures, "mixtures.csv"), (denoised, "denoised.csv")]
    for manifest, name in changes:
        changed = read_manifest(manifest)
        changed.loc[2, "digest"] = "0123456789abcdef"  # not the first file, no length
        write_manifest(tmp_path / "changed" / name, changed)
        given = [tmp_path / "changed" / name if path == manifest else path for path, _ in changes]
        other = examples(SEPARATE, given[0], "denoised-x", given[1], RATE)
        assert fingerprint(other) != first


def test_manifests_of_earlier_versions_are_refused(mixtures, tmp_path, write_set):
    old = tmp_path / "old/mixtures.csv"
    write_manifest(old, read_manifest(mixtures).drop(columns="digest"))
    with pytest.raises(
        PipelineError, match=f"lacks the column digest; delete the folder {old.parent}"
    ):
        examples(DENOISE, old, "noisy", None, RATE)
    shutil.rmtree(old.parent)
    write_set(old.parent, 3, LENGTHS)  # the job that makes it
    assert len(examples(DENOISE, old, "noisy", None, RATE).table) == 3


def test_other_rate_is_refused(mixtures):
    with pytest.raises(PipelineError, match="8000 Hz where 16000 Hz"):
        Recordings(examples(DENOISE, mixtures, "noisy", None, 16000))[0]


def test_sampler_draws_a_permutation_for_each_epoch():
    sampler, orders = EpochSampler(50, seed=1), []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[2] == list(EpochSampler(50, 1, epoch=2))
    assert orders[2] != list(EpochSampler(50, 2, epoch=2))


def test_resumed_sampler_continues_and_is_then_complete():
    sampler = EpochSampler(50, 1, epoch=3, first=20)
    assert list(sampler) == list(EpochSampler(50, 1, epoch=3))[20:]
    sampler.set_epoch(4)
    assert list(sampler) == list(EpochSampler(50, 1, epoch=4))


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_loader_gives_the_batches_left(mixtures, workers):
    segments = Segments(examples(DENOISE, mixtures, "noisy", None, RATE), 0.5)

    def batches(first):
        sampler = EpochSampler(len(segments), 1, 1, first)
        loader = torch.utils.data.DataLoader(segments, 2, sampler=sampler, num_workers=workers)
        return [inputs for inputs, _ in loader]

    whole, rest = batches(0), batches(2)
    assert len(whole) == 3
    assert all(torch.equal(a, b) for a, b in zip(whole[1:], rest, strict=True))
