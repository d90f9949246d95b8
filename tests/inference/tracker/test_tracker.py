import numpy as np
import pytest
from buzzes import buzz

from pipeline.evaluation.assignment import assignment
from pipeline.inference.chunks import Recording, cut
from pipeline.inference.tracker.joiner import TrackingJoiner
from pipeline.inference.tracker.tracker import Tracker

RATE = 8000
VOICES = (0, 7)


def talk(turns=24, speakers=2, seconds=2.0, pause=1.0):
    """Speakers in turn, and the same in streams drawn at every turn: `[speakers, time]` each."""
    rng = np.random.default_rng(0)
    time = int(turns * (seconds + pause) * RATE)
    sources, streams = np.zeros((2, speakers, time), np.float32)
    for turn in range(turns):
        start = int(turn * (seconds + pause) * RATE)
        said = buzz(VOICES[turn % speakers], seconds, turn)
        sources[turn % speakers, start : start + len(said)] = said
        streams[rng.integers(speakers), start : start + len(said)] = said
    return sources, streams


def tracked(streams, parts=1):
    tracker = Tracker(len(streams), RATE)
    done = [tracker.feed(part) for part in np.array_split(streams, parts, axis=1)]
    return np.concatenate([*done, tracker.finish()], axis=1)


def test_each_output_keeps_its_speaker():
    sources, streams = talk()
    before, after = (assignment(sources, x, RATE) for x in (streams, tracked(streams)))
    assert before.wrong > 0.2 * before.speech and after.wrong == 0


def test_outputs_add_up_to_the_streams():
    streams = talk(turns=8)[1] + 0.001
    np.testing.assert_allclose(tracked(streams).sum(0), streams.sum(0), atol=1e-6)


@pytest.mark.parametrize("time", [0, 1, 159, 160, 8001, 200_000])
def test_outputs_are_as_long_as_the_streams(time):
    assert tracked(talk(turns=9)[1][:, :time]).shape == (2, time)


def test_it_does_not_matter_how_streams_are_divided():
    streams = talk(turns=10)[1]
    np.testing.assert_array_equal(tracked(streams), tracked(streams, parts=37))


def test_one_stream_stays_as_it_is():
    streams = talk(turns=8)[1][:1]
    np.testing.assert_array_equal(tracked(streams), streams)


def test_little_is_held():
    streams, tracker = talk(turns=30)[1], Tracker(2, RATE)
    done = 0
    for end in range(RATE, streams.shape[1] + 1, RATE):
        done += tracker.feed(streams[:, end - RATE : end]).shape[1]
        assert end - done <= 22 * RATE


def test_samples_that_are_no_numbers_are_passed_on():
    streams = talk(turns=8)[1]
    streams[0, 10 * RATE :] = np.nan
    assert np.isnan(tracked(streams)).any()


def test_pieces_in_any_order_are_joined_to_one_speaker_a_source():
    sources, streams = talk()
    joiner, parts, rng = TrackingJoiner(RATE), [], np.random.default_rng(1)
    recording = Recording("a", "a", streams.shape[1], ())
    for _ in range(2):  # nothing of the recording before is left
        parts = []
        for piece in cut(recording, 10 * RATE, RATE):
            order = rng.permutation(2)
            estimate = streams[order, piece.start : piece.start + piece.samples]
            parts += joiner.join(piece, estimate)
        found = np.concatenate(parts, axis=1)
        assert found.shape == sources.shape
        assert assignment(sources, found, RATE).wrong == 0
