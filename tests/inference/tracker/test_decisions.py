import numpy as np

from pipeline.inference.tracker.activity import Stretch
from pipeline.inference.tracker.decisions import MOST, Decisions, Voice

SPREAD = np.full(4, 25.0)
PLACES = {"a": np.array([5.0, 0, 0, 0]), "b": np.array([-5.0, 0, 0, 0]), "c": np.zeros(4)}


def decided(said, streams=2):
    """Speakers of `(voice, stream, begin, end)` in their order."""
    decisions = Decisions(streams, SPREAD)
    rng = np.random.default_rng(0)
    for voice, stream, begin, end in said:
        place = PLACES[voice] + 0.5 * rng.standard_normal(4)
        decisions.add(Stretch(stream, begin, end, False), place, 1.0)
    return [speaker for _, speaker in decisions.settle(0)]


def test_a_voice_keeps_its_speaker_in_any_stream():
    said = [("a", 0, 0, 100), ("b", 0, 200, 300), ("a", 1, 400, 500), ("b", 1, 600, 700)]
    assert decided(said) == [0, 1, 0, 1]


def test_speakers_at_once_differ_even_with_one_voice():
    assert decided([("a", 0, 0, 100), ("a", 1, 10, 110)]) == [0, 1]


def test_later_speech_tells_whose_the_earlier_was():
    said = [("a", 0, 0, 100), ("c", 0, 200, 300), ("b", 1, 210, 310)]
    assert decided(said) == [0, 0, 1]


def test_a_stretch_without_a_place_stays_with_the_stream():
    decisions = Decisions(2, SPREAD)
    for stream, voice in ((0, "a"), (1, "b")):
        decisions.add(Stretch(stream, 0, 100, False), PLACES[voice], 1.0)
    decisions.add(Stretch(1, 100, 105, True), None, 1.0)
    assert dict(decisions.settle(0))[Stretch(1, 100, 105, True)] == 1


def test_what_is_settled_stays():
    decisions = Decisions(2, SPREAD)
    first = Stretch(0, 0, 100, False)
    decisions.add(first, PLACES["c"], 1.0)
    settled = dict(decisions.settle(50))[first]
    decisions.add(Stretch(0, 110, 200, False), PLACES["a"], 1.0)
    decisions.add(Stretch(1, 110, 200, False), PLACES["b"], 1.0)
    assert dict(decisions.settle(50))[first] == settled


def test_more_speakers_than_streams_stop_nothing():
    assert len(decided([(v, k % 2, 0, 100) for k, v in enumerate("abc")])) == 3


def test_a_voice_is_the_mean_of_what_was_heard_and_of_nothing_too_old():
    voice = Voice(1 / SPREAD, np.zeros(4))
    for _ in range(200):
        voice = voice.with_stretch(PLACES["a"], 1.0)
    np.testing.assert_allclose(voice.mean, PLACES["a"], atol=0.01)
    assert (voice.precision == MOST).all()
    for _ in range(80):
        voice = voice.with_stretch(PLACES["b"], 1.0)
    assert voice.mean[0] < -2


def test_a_near_place_is_likelier():
    voice = Voice(np.full(4, 10.0), PLACES["a"])
    assert voice.likelihood(PLACES["a"], 1.0) > voice.likelihood(PLACES["b"], 1.0)
