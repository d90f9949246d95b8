import numpy as np
import pytest

from pipeline import audio
from pipeline.app.resampling import Reader, resampled


@pytest.mark.parametrize(("rate", "target"), [(44100, 8000), (8000, 48000), (16000, 16000)])
@pytest.mark.parametrize("size", [777, 100_000])
def test_blocks_are_resampled_as_the_whole(rate, target, size):
    signal = np.random.default_rng(0).normal(0, 0.1, (30_001, 2)).astype(np.float32)
    blocks = (signal[start : start + size] for start in range(0, len(signal), size))
    found = np.concatenate(list(resampled(blocks, rate, target)))
    for channel in (0, 1):
        whole = audio.resample(signal[:, channel], rate, target)
        assert np.array_equal(found[:, channel], whole)


def test_a_reader_gives_any_lengths_and_then_zeros():
    signal = np.arange(10, dtype=np.float32)[:, None]
    reader = Reader(iter([signal[:3], signal[3:4], signal[4:]]), 1)
    parts = [reader.read(n)[:, 0].tolist() for n in (2, 5, 0, 6)]
    assert parts == [[0, 1], [2, 3, 4, 5, 6], [], [7, 8, 9, 0, 0, 0]]
