import numpy as np
import pytest
import soundfile as sf

from pipeline import audio
from pipeline.ogg import checksum, with_serial


@pytest.mark.parametrize("rate", [8000, 16000])
def test_opus_keeps_length_and_time(tmp_path, voice, rate):
    samples, path = voice(1, 2.345, rate), tmp_path / "a.ogg"
    audio.write(path, samples, rate, "OPUS", "OGG")
    heard = audio.read_at(path, rate)
    assert len(heard) == len(samples)
    lags = np.correlate(heard, samples, "full")
    assert lags.argmax() == len(samples) - 1
    assert np.square(heard - samples).sum() < 0.03 * np.square(samples).sum()
    assert path.stat().st_size < 2.345 * 60_000 / 8


def test_the_same_sound_is_the_same_bytes(tmp_path, voice):
    for name in "ab":
        audio.write(tmp_path / name, voice(1, 1.0), 16000, "OPUS", "OGG")
    first = (tmp_path / "a").read_bytes()
    assert first == (tmp_path / "b").read_bytes()
    assert with_serial(first, 0) == first != with_serial(first, 7)


def test_checksum_is_that_of_the_encoder(tmp_path, voice):
    sf.write(tmp_path / "a.ogg", voice(1, 0.1), 16000, "OPUS", format="OGG")
    stream = (tmp_path / "a.ogg").read_bytes()
    page = stream[: stream.index(b"OggS", 4)]
    zeroed = page[:22] + bytes(4) + page[26:]
    assert checksum(zeroed) == int.from_bytes(page[22:26], "little")
