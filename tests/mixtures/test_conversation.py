from itertools import pairwise

import numpy as np
import pytest

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, split_paths, write_manifest
from pipeline.mixtures.facts import overlap_ratio
from pipeline.mixtures.plan import draw_plan
from pipeline.mixtures.render import render_shard

RATE = 8000
GIVEN = {"seconds": 40.0, "turn_seconds": [0.5, 1.2], "pause_seconds": [0.4, 0.8], "overlap": 0.2}


@pytest.fixture
def talks(settings):
    """`talks(num_speakers=2, overlap=0.1, …)`: the settings of short conversations."""

    def make(num_speakers=2, **values):
        return settings(kind="conversation", num_speakers=num_speakers, conversation=GIVEN | values)

    return make


@pytest.fixture
def plan(converted, tmp_path):
    """`plan(talks())`: the drawn table."""

    def draw(mixtures, seed=0, parts=1):
        out = [tmp_path / f"plan-{k}.csv" for k in range(parts)]
        draw_plan(converted.speech, converted.noise, out, "test", mixtures, seed, RATE)
        return [read_manifest(path) for path in out]

    return draw


def turns(row, k):
    """Begins and ends of source k, in samples."""
    begins, ends = (row[f"source_{k}_{name}s"].split("|") for name in ("begin", "end"))
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]


@pytest.mark.parametrize("speakers", [1, 2, 3])
def test_turns_and_pauses_have_the_lengths_asked_for(plan, talks, speakers):
    [table] = plan(talks(speakers))
    for row in table.to_dict("records"):
        assert row["length"] == 40 * RATE
        for k in range(1, speakers + 1):
            own = turns(row, k)
            assert len(own) == len(split_paths(row[f"source_{k}_path"])) > 1
            assert all(a_end + 0.4 * RATE <= begin for (_, a_end), (begin, _) in pairwise(own))
            assert all(end - begin <= 1.2 * RATE for begin, end in own)
            assert own[-1][1] <= row["length"]


def test_a_conversation_depends_on_its_number_alone(plan, talks):
    [whole] = plan(talks())
    parts = plan(talks(), parts=2)
    assert [*parts[0].mixture_id, *parts[1].mixture_id] == [*whole.mixture_id]
    assert [*parts[0].source_2_begins, *parts[1].source_2_begins] == [*whole.source_2_begins]
    [other] = plan(talks(), seed=1)
    assert list(other.source_1_begins) != list(whole.source_1_begins)


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3])
def test_the_overlap_is_the_one_asked_for(plan, talks, overlap):
    [table] = plan(talks(3, overlap=overlap, seconds=200.0))
    for row in table.to_dict("records"):
        active = np.zeros((3, row["length"]), int)
        for k in range(3):
            for begin, end in turns(row, k + 1):
                active[k, begin:end] += 1
        assert active.max() == 1
        together = active.sum(0)
        assert together.max() == (1 if overlap == 0 else 2)
        assert (together > 1).sum() / (together > 0).sum() == pytest.approx(overlap, abs=0.02)


def test_all_utterances_are_used_before_one_comes_again(plan, talks):
    [table] = plan(talks(2, seconds=60.0))
    for row in table.to_dict("records"):
        paths = split_paths(row["source_1_path"])
        spoken = len(set(paths))
        assert spoken == len(set(paths[:spoken])) == 2


def test_utterances_are_played_at_their_places(plan, talks, tmp_path):
    mixtures = talks(2)
    [table] = plan(mixtures)
    write_manifest(tmp_path / "two.csv", table[:2])
    render_shard(tmp_path / "two.csv", tmp_path / "out", RATE, mixtures)
    index = read_manifest(tmp_path / "out/index.csv")
    assert {"mix_both_path", "mix_clean_path", "s1_path", "s2_path", "noise_path"} <= {*index}
    for row in index.to_dict("records"):
        for k in (1, 2):
            source, rest = audio.read_at(row[f"s{k}_path"], RATE), np.ones(row["length"], bool)
            gain = row[f"source_{k}_gain"] * row["scale"]
            for path, (begin, end) in zip(
                split_paths(row[f"source_{k}_path"]), turns(row, k), strict=True
            ):
                whole = audio.read_at(path, RATE) * np.float32(gain)
                heard = min(end - begin, len(whole)) - RATE // 100  # before the fade
                np.testing.assert_allclose(source[begin:][:heard], whole[:heard], atol=1e-4)
                rest[begin:end] = False
            assert abs(source[rest]).max() == 0
        sources = [audio.read_at(row[f"s{k}_path"], RATE) for k in (1, 2)]
        clean = audio.read_at(row["mix_clean_path"], RATE)
        np.testing.assert_allclose(sum(sources), clean, atol=1e-4)
        assert 0 < overlap_ratio(sources, RATE) < 0.4


def test_a_cut_utterance_fades(plan, talks, tmp_path):
    mixtures = talks(2)
    [table] = plan(mixtures)
    write_manifest(tmp_path / "one.csv", table[:1])
    render_shard(tmp_path / "one.csv", tmp_path / "out", RATE, mixtures)
    row = read_manifest(tmp_path / "out/index.csv").to_dict("records")[0]
    source = audio.read_at(row["s1_path"], RATE)
    for path, (begin, end) in zip(split_paths(row["source_1_path"]), turns(row, 1), strict=True):
        if audio.info(path).samples > end - begin:
            assert abs(source[end - 1]) < 1e-3
            return
    pytest.fail("no utterance is cut")


def test_a_damaged_place_is_named(plan, talks, tmp_path):
    mixtures = talks(2)
    [table] = plan(mixtures)
    for cell in ("0|x", "0"):
        write_manifest(tmp_path / "bad.csv", table[:1].assign(source_1_begins=cell))
        with pytest.raises(PipelineError, match="source_1_begins: is damaged; delete"):
            render_shard(tmp_path / "bad.csv", tmp_path / "out", RATE, mixtures)
    write_manifest(tmp_path / "bad.csv", table[:1])
    render_shard(tmp_path / "bad.csv", tmp_path / "out", RATE, mixtures)


def test_a_conversation_too_short_for_all_is_refused(talks):
    with pytest.raises(ValueError, match=r"conversation.seconds: 5 is too short .* raise it to 6"):
        talks(3, seconds=5.0)
    talks(3, seconds=6.0)
