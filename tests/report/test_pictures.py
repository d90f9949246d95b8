import numpy as np
import pytest
from PIL import Image

from pipeline.report.listen.pictures import (
    SPECTRUM,
    WAVE,
    WIDTH,
    Scale,
    draw,
    frequency_ticks,
    power_db,
    save,
    scale_of,
    time_ticks,
)


def tone(hertz, rate=8000, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def brightness(pixels):
    return pixels.astype(int).sum(axis=2)


def test_power_of_a_tone():
    values = power_db(tone(1000), 8000)
    assert values.mean(axis=1).argmax() * 4000 / (len(values) - 1) == 1000
    assert values.max() == pytest.approx(20 * np.log10(0.5), abs=0.1)


@pytest.mark.parametrize(("hertz", "rate"), [(1000, 8000), (3000, 8000), (1000, 16000)])
def test_a_tone_is_a_bright_line_at_its_frequency(hertz, rate):
    samples = tone(hertz, rate)
    spectrogram = brightness(draw(samples, scale_of(samples, rate))[WAVE:])
    row = spectrogram.mean(axis=1).argmax()
    assert row == pytest.approx(SPECTRUM * (1 - 2 * hertz / rate), abs=1.5)
    ticks = {tick.label: tick.place for tick in frequency_ticks(rate)}
    middle = ticks[f"{rate / 4000:g}"] / 100 * (WAVE + SPECTRUM)
    assert middle == pytest.approx(WAVE + SPECTRUM / 2)


def test_an_offset_does_not_set_the_scale():
    plain, moved = (scale_of(tone(1000) * 0.1 + offset, 8000) for offset in (0, 0.5))
    assert moved.ceiling == pytest.approx(plain.ceiling, abs=0.1)


def test_a_click_is_at_its_time():
    samples = np.zeros(16000, np.float32)
    samples[12000] = 1.0
    pixels = draw(samples, scale_of(samples, 8000))
    assert brightness(pixels[WAVE:]).mean(axis=0).argmax() == pytest.approx(0.75 * WIDTH, abs=6)
    assert brightness(pixels[:5]).sum(axis=0).argmax() == pytest.approx(0.75 * WIDTH, abs=1)


def test_one_scale_shows_levels():
    samples = tone(1000)
    scale = scale_of(samples, 8000)
    loud, quiet = draw(samples, scale), draw(samples * 0.1, scale)
    assert brightness(loud[WAVE:]).max() > 1.3 * brightness(quiet[WAVE:]).max()
    tall, low = ((brightness(p[:WAVE]) > 300).sum(axis=0).mean() for p in (loud, quiet))
    assert tall == WAVE and low == pytest.approx(0.1 * WAVE, abs=2)


def test_seventy_decibels_below_is_dark():
    samples = tone(1000)
    scale = scale_of(samples, 8000)
    pixels = brightness(draw(samples * 10 ** (-71 / 20), scale)[WAVE:])
    assert pixels.max() == pixels.min()


@pytest.mark.parametrize("samples", [1, 20, 900, 300_000])
def test_any_length(tmp_path, samples):
    pixels = draw(np.full(samples, 0.1, np.float32), Scale(8000, 0.0, 1.0))
    save(pixels, tmp_path / "p.webp")
    with Image.open(tmp_path / "p.webp") as picture:
        assert picture.size == (WIDTH, WAVE + SPECTRUM)


def test_silence_has_a_scale():
    silence = np.zeros(8000, np.float32)
    assert brightness(draw(silence, scale_of(silence, 8000))).max() > 0  # the line of the waveform


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [(4.2, "0 1 2 3 4"), (15, "0 5 10 15"), (0.02, "0"), (1, "0 0.2 0.4 0.6 0.8 1")],
)
def test_times_are_round_and_few(seconds, labels):
    ticks = time_ticks(seconds)
    assert [tick.label for tick in ticks] == labels.split()
    assert all(0 <= tick.place <= 100 for tick in ticks)
