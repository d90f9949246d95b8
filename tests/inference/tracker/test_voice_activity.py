import numpy as np

from pipeline.inference.tracker.activity import FRAME, Activity, Stretch

SIZE = 10  # samples of a frame


def found(levels, parts=1):
    """Stretches of streams whose frames have these levels in dB, `[streams, frames]`."""
    levels = np.array(levels, float)
    frames = np.repeat(10 ** (levels / 20), SIZE).reshape(*levels.shape, SIZE)
    activity = Activity(len(levels))
    done = [one for part in np.array_split(frames, parts, axis=1) for one in activity.feed(part)]
    return done + activity.finish()


def test_pauses_part_stretches_and_short_ones_do_not():
    one = [-100] * 20 + [-20] * 50 + [-100] * 10 + [-20] * 30 + [-100] * 20 + [-20] * 10
    assert found([one]) == [Stretch(0, 20, 110, False), Stretch(0, 130, 140, False)]


def test_what_leaks_into_another_stream_is_no_speech():
    loud, leak = [-100] * 5 + [-20] * 60, [-100] * 5 + [-40] * 60
    assert found([loud, leak]) == [Stretch(0, 5, 65, False)]


def test_a_long_stretch_is_cut_where_it_is_quiet():
    one = [-20] * 150 + [-30] + [-20] * 149
    assert found([one]) == [Stretch(0, 0, 150, False), Stretch(0, 150, 300, True)]


def test_silence_has_no_stretches():
    assert found([[-200] * 300, [-200] * 300]) == []


def test_it_does_not_matter_how_frames_are_divided():
    levels = np.random.default_rng(0).choice([-90, -20], (3, 40)).repeat(20, axis=1)
    assert found(levels) == found(levels, parts=37)


def test_the_earliest_frame_is_that_of_open_stretches():
    activity = Activity(2)
    frames = np.zeros((2, 40, SIZE))
    frames[1, 30:] = 0.1
    activity.feed(frames)
    assert activity.earliest == 30
    activity.feed(np.zeros((2, round(1 / FRAME), SIZE)))
    assert activity.earliest == 90
