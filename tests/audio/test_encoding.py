import errno
import os

import numpy as np
import pytest
from takes import load

from pipeline.audio.encoding import FORMATS, _Sink, encoding, quantised
from pipeline.base.errors import PipelineError

RATE = 16000
SIGNAL = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 2)).astype(np.float32)


def write(path, signal=SIGNAL, rate=RATE, coding=("WAV", "FLOAT"), tags=None, size=999):
    with encoding(path, rate, signal.shape[1], *coding, tags) as write_next:
        for start in range(0, len(signal), size):
            write_next(signal[start : start + size])


@pytest.mark.parametrize("suffix", [s for s, (_, sub) in FORMATS.items() if sub == "PCM_16"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_what_is_quantised_is_what_is_read(suffix, subtype, tmp_path):
    path = tmp_path / f"a.{suffix}"
    loud = SIGNAL * 1.5  # clipped
    write(path, loud, coding=(FORMATS[suffix][0], subtype))
    assert np.array_equal(load(path)[1], quantised(loud, subtype))


def test_floats_are_kept(tmp_path):
    write(tmp_path / "a.wav", 3 * SIGNAL)
    assert np.array_equal(load(tmp_path / "a.wav")[1], 3 * SIGNAL)
    assert quantised(SIGNAL, "FLOAT") is SIGNAL


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus", "aiff", "caf"])
def test_tags_are_kept(suffix, tmp_path):
    tags = {"title": "A talk", "artist": "Someone"}
    write(tmp_path / f"a.{suffix}", coding=FORMATS[suffix], tags=tags)
    assert load(tmp_path / f"a.{suffix}")[0].tags == tags


def test_tags_without_a_place_are_left_out(tmp_path):
    write(tmp_path / "a.au", coding=FORMATS["au"], tags={"title": "A talk"})
    assert load(tmp_path / "a.au")[0].tags == {}


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(KeyError), encoding(path, RATE, 2) as write_next:
        write_next(SIGNAL)
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("coding", [("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")])
def test_a_rate_that_the_format_does_not_take(coding, tmp_path):
    with pytest.raises(PipelineError, match="choose another --format"):
        write(tmp_path / "a", rate=96000, coding=coding)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("coding", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_a_full_disk_is_told_of(coding, tmp_path, monkeypatch):
    from pathlib import Path

    plain = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a: plain(Path("/dev/full"), "wb", 0))
    long = np.tile(SIGNAL, (20, 1))
    with pytest.raises(OSError) as caught:
        write(tmp_path / "a", long, coding=coding)
    assert caught.value.errno == errno.ENOSPC


def test_ctrl_c_while_libsndfile_writes_is_not_lost(tmp_path, monkeypatch):
    plain, calls = _Sink._kept, []

    def interrupted(self, call, *given):
        calls.append(call)
        if len(calls) == 3:
            call = raise_interrupt
        return plain(self, call, *given)

    def raise_interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Sink, "_kept", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())
