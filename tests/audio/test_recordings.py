from fractions import Fraction

import numpy as np
import pytest
from takes import load, record, record_media, speech_like

from pipeline.audio.media import SUFFIXES as MEDIA
from pipeline.audio.recordings import reading
from pipeline.base.errors import PipelineError

RATE = 16000
LISTS = {
    "concat": "ffconcat version 1.0\nfile {}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", sorted(MEDIA))
def test_the_sound_of_films_and_phones(suffix, channels, tmp_path):
    codec, rate = ("libopus", 48000) if suffix == ".webm" else ("aac", 44100)
    signal = speech_like(rate, channels, seconds=1)
    path = record_media(tmp_path / f"a{suffix}", signal, rate, codec)
    header, found = load(path)
    assert (header.sample_rate, header.channels) == (rate, channels)
    assert abs(len(found) - len(signal)) <= 1024  # a frame
    shared = min(len(found), len(signal))
    both = found[:shared].ravel(), signal[:shared].ravel()
    assert np.corrcoef(*both)[0, 1] > 0.95  # in time with what was recorded
    assert header.tags["title"] == "Talk"


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("suffix", [".m4a", ".mkv"])
def test_a_list_of_other_files_is_not_followed(content, suffix, tmp_path):
    other = record(tmp_path / "other.wav", speech_like(RATE), RATE)
    path = tmp_path / f"list{suffix}"
    path.write_text(content.format(other))
    with pytest.raises(PipelineError, match="cannot be decoded"):
        load(path)


def test_media_need_their_extra(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"something")
    monkeypatch.setattr("pipeline.audio.media.find_spec", lambda name: None)
    with pytest.raises(PipelineError, match=r"pip install 'denoise-then-separate\[media\]'"):
        load(tmp_path / "a.m4a")


def test_a_film_without_sound(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            container.mux(track.encode(picture))
        container.mux(track.encode(None))
    with pytest.raises(PipelineError, match="has no sound track"):
        load(tmp_path / "a.mp4")


def test_an_mp3_that_is_cut_short(tmp_path):
    path = record(tmp_path / "a.mp3", speech_like(RATE, seconds=5), RATE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(PipelineError, match=r"ends at sample \d+, more are expected"):
        load(path)


def test_blocks_are_small_whatever_the_number_of_channels(tmp_path):
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 32)).astype(np.float32)
    path = record(tmp_path / "a.wav", signal, RATE, subtype="FLOAT")
    with reading(path) as (_, blocks):
        sizes = [block.size for block in blocks]
    assert max(sizes) <= 1 << 20 and sum(sizes) == signal.size


def test_an_mp3_without_its_length_is_read_to_its_end(tmp_path):
    """Its first frame, which says how long it is, is taken away; libsndfile then guesses."""
    signal = speech_like(RATE, seconds=5)
    path = record(tmp_path / "a.mp3", signal, RATE)
    content = path.read_bytes()
    second = content.index(content[:2], 4)
    path.write_bytes(content[second:])
    header, found = load(path)
    assert header.samples is None
    assert abs(len(found) - len(signal)) <= 2 * 1152  # a frame, and what the first one said of it


def test_lossless_sound_in_a_film_is_whole(tmp_path):
    signal = speech_like(44100, seconds=1.2345)
    _, found = load(record_media(tmp_path / "a.mkv", signal, 44100, "flac"))
    assert len(found) == len(signal)


def test_a_pause_between_frames_is_kept(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE)
        track.layout = "mono"
        for start in (0, 3 * RATE):  # a second of sound, two of nothing, and a second
            frame = av.AudioFrame.from_ndarray(
                np.full((1, RATE), 8000, np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    found = load(tmp_path / "a.mkv")[1][:, 0]
    assert abs(len(found) - 4 * RATE) < 100
    assert not found[RATE + 100 : 3 * RATE - 100].any() and found[-RATE + 100 :].all()
