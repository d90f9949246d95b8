"""What is heard and seen of dev while a network trains."""

import numpy as np
import pytest
import torch

from pipeline.training.samples import full_scale, spectrogram_image


@pytest.mark.parametrize("hertz", [500, 1000, 3000])
def test_spectrogram_of_a_tone_is_a_bright_line_at_its_height(hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(8000) / 8000)
    image = np.asarray(spectrogram_image(tone))
    assert image.shape == (129, 126) and image.dtype == np.uint8 and image.max() == 255
    line = 128 - round(hertz / 8000 * 256)  # low frequencies are at the bottom
    np.testing.assert_array_equal(image[:, 5:-5].argmax(0), line)


def test_spectrogram_of_silence_is_of_one_colour():
    assert len(np.unique(spectrogram_image(torch.zeros(4000)))) == 1


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_clip_is_at_full_scale_or_silent(odd):
    assert full_scale(torch.tensor([0.5, -0.25])).tolist() == [1, -0.5]
    assert full_scale(torch.tensor([0.5, odd, -0.25])).tolist() == [0, 0, 0]
