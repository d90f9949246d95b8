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
