import numpy as np
import pytest

from pipeline import audio
from pipeline.audio.loudness import loudness
from pipeline.report.listen.clips import Level, amplified, gains, level, match_level, settle

RATE = 8000
NAN = float("nan")


def levelled(sounds):
    levels = [level(sound, RATE) for sound in sounds]
    return [amplified(s, gain) for s, gain in zip(sounds, gains(levels), strict=True)]


def test_clips_are_equally_loud_and_none_is_clipped(voice):
    sounds = [voice(k, 2.0, RATE) * gain for k, gain in enumerate((1.0, 0.03, 0.3))]
    sounds[2][4000] = 0.9  # one peak far above the rest
    clips = levelled(sounds)
    measured = [loudness(clip, RATE) for clip in clips]
    assert max(measured) - min(measured) < 0.3
    assert max(measured) < -23 + 0.3
    assert max(np.abs(clip).max() for clip in clips) == pytest.approx(0.989, abs=0.002)


def test_there_is_a_loudness_to_aim_at_and_one_not_to_go_below():
    assert gains([Level(-40, -20), Level(-30, -12)]) == pytest.approx([17, 7])
    # The second sound clips at any acceptable loudness, and only its level is lowered.
    assert gains([Level(-40, -20), Level(-60, -1)]) == pytest.approx([5, 0.9])


def test_undefined_loudness_stays_as_it_is_within_full_scale():
    levels = [Level(NAN, -40), Level(NAN, 6), Level(NAN, float("-inf")), Level(-30, -20)]
    assert gains(levels) == pytest.approx([0, -6.1, 0, 7])
    assert gains([]) == []


def test_silence_has_a_level():
    assert level(np.zeros(RATE, np.float32), RATE).peak == float("-inf")


def test_match_level():
    loud = np.array([3.0, -4.0], np.float32)
    np.testing.assert_allclose(match_level(loud, loud / 100), loud / 100, rtol=1e-5)
    assert match_level(np.zeros(2, np.float32), loud).tolist() == [0, 0]


@pytest.fixture
def files(tmp_path, voice):
    paths = [tmp_path / f"{k}.flac" for k in range(3)]
    for k, path in enumerate(paths):
        audio.write(path, voice(k, 1.0, RATE), RATE, format="FLAC")
    return paths


def test_small_clips_stay_flac(files):
    before = [path.read_bytes() for path in files]
    coding = settle(files)
    assert coding == ("flac", sum(map(len, before)), sum(map(len, before)))
    assert [path.read_bytes() for path in files] == before


def test_large_clips_become_opus(files, tmp_path, voice):
    coding = settle(files, budget=10_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.ogg", "1.ogg", "2.ogg"]
    assert coding.suffix == "ogg" and coding.size < 0.6 * coding.flac_size
    assert coding.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    sound = audio.read_at(tmp_path / "1.ogg", RATE)
    assert np.corrcoef(sound, voice(1, 1.0, RATE))[0, 1] > 0.98
