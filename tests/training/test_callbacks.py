import numpy as np
import pytest
import torch

from pipeline.training.callbacks import full_scale, spectrogram_image


@pytest.mark.parametrize("hertz", [500, 1000, 3000])
def test_spectrogram_of_a_tone_is_a_bright_line_at_its_height(hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(8000) / 8000)
    image = spectrogram_image(tone)
    assert image.shape == (1, 129, 126)
    assert image.min() >= 0 and image.max() == 1
    line = 128 - round(hertz / 8000 * 256)  # low frequencies are at the bottom
    np.testing.assert_array_equal(image[0, :, 5:-5].argmax(0), line)


def test_spectrogram_of_silence_is_finite():
    assert spectrogram_image(torch.zeros(4000)).isfinite().all()


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_clip_is_at_full_scale_or_silent(odd):
    assert full_scale(torch.tensor([0.5, -0.25])).tolist() == [1, -0.5]
    assert full_scale(torch.tensor([0.5, odd, -0.25])).tolist() == [0, 0, 0]
