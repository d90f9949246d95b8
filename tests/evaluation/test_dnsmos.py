"""DNSMOS on real speech, against its reference code, and at different levels."""

import numpy as np
import pytest
from served import GENUINE
from speechmos import dnsmos as reference

from pipeline import audio
from pipeline.evaluation import measures
from pipeline.evaluation.dnsmos import DNSMOS_METRICS, open_dnsmos, windows
from pipeline.evaluation.hearing import HEARD_LEVEL, at_level, hear

pytestmark = pytest.mark.slow  # two networks on whole recordings

RATE = 16_000


def genuine(pattern, samples=-1):
    if not GENUINE.exists():
        pytest.skip("no recordings at hand")
    return audio.read(sorted(GENUINE.glob(pattern))[0], samples=samples)[0]


@pytest.fixture(scope="module")
def speech():
    return at_level(genuine("LibriSpeech/mini-test/3080/*/*.flac", 3 * RATE))


@pytest.fixture(scope="module")
def noisy(speech):
    noise = at_level(genuine("wham_noise/tt/*.wav"))
    return at_level(speech + np.resize(noise, len(speech)))


@pytest.fixture(scope="module")
def rate():
    return open_dnsmos()


def test_clean_speech_is_rated_above_noisy(rate, speech, noisy):
    clean, worse = rate(speech), rate(noisy)
    assert set(clean) == set(DNSMOS_METRICS)
    assert all(1 <= value <= 5 for value in clean.values())
    assert clean["dnsmos_ovrl"] > worse["dnsmos_ovrl"] + 0.5
    assert clean["dnsmos_bak"] > worse["dnsmos_bak"] + 0.5


def test_scores_equal_the_reference_code(rate, speech, monkeypatch):
    # Its second network, P.808, is not part of ours, and needs librosa for its input.
    monkeypatch.setattr(reference.DNSMOS, "audio_melspec", lambda *_, audio: np.zeros((900, 120)))
    samples = 0.5 * speech
    expected = reference.run(samples, RATE)
    for name, value in rate(samples).items():
        assert value == pytest.approx(expected[f"{name.removeprefix('dnsmos_')}_mos"], abs=1e-4)


@pytest.mark.parametrize("seconds", [0.01, 3, 9, 10, 30])  # 14 windows of the last are dropped
def test_windows_equal_the_reference_code(seconds, monkeypatch):
    class Network:
        """Keeps its inputs, and returns no ratings."""

        def __init__(self):
            self.inputs = []

        def run(self, _, given):
            self.inputs.append(given["input_1"][0])
            return np.zeros((1, 1, 3))

    monkeypatch.setattr(reference.DNSMOS, "audio_melspec", lambda *_, audio: audio[None])
    code = reference.DNSMOS.__new__(reference.DNSMOS)
    code.onnx_sess, code.p808_onnx_sess = Network(), Network()
    samples = np.random.default_rng(0).uniform(-1, 1, int(seconds * RATE)).astype(np.float32)
    code(samples, RATE, is_personalized_MOS=False)
    np.testing.assert_array_equal(windows(samples), code.onnx_sess.inputs)


def test_every_level_gives_the_same_scores(speech, tmp_path):
    levelled = []
    for gain in (1e-3, 1.0, 30.0):  # the last level is far above full scale
        audio.write(tmp_path / "a.wav", gain * speech, RATE, subtype="FLOAT")
        levelled.append(hear(tmp_path / "a.wav", RATE))
        assert 20 * np.log10(levelled[-1].std()) == pytest.approx(HEARD_LEVEL, abs=1e-3)
    np.testing.assert_allclose(levelled[0], levelled[2], atol=1e-6)


def test_8_khz_is_resampled_and_silence_is_not_rated(speech, tmp_path):
    audio.write(tmp_path / "a.wav", audio.resample(speech, RATE, 8000), 8000, subtype="FLOAT")
    assert len(hear(tmp_path / "a.wav", 8000)) == len(speech)
    audio.write(tmp_path / "a.wav", np.zeros(800, np.float32), 8000)
    assert hear(tmp_path / "a.wav", 8000) is None


def item(files, sources, rate):
    samples = np.stack([audio.read(file)[0] for file in files])
    return measures.Item(
        "m0", sources, samples, samples, [str(file) for file in files], samples, samples[0]
    )


def test_measure_of_estimates(speech, tmp_path):
    audio.write(tmp_path / "a.wav", speech, RATE)
    audio.write(tmp_path / "b.wav", 0 * speech, RATE)
    measure = measures.open_measure("dnsmos", RATE)
    scores = list(measure(item([tmp_path / "a.wav", tmp_path / "b.wav"], ["s1", "s2"], RATE)))
    assert [score.metric for score in scores] == [*DNSMOS_METRICS, *DNSMOS_METRICS]
    assert all(not score.undefined and score.value > 1 for score in scores[:3])
    assert {score.undefined for score in scores[3:]} == {"the estimate is silent"}
    assert np.isnan([score.value for score in scores[3:]]).all()


def test_the_mixture_is_rated_once(noisy, tmp_path, monkeypatch):
    rated = []
    monkeypatch.setattr(
        measures,
        "open_dnsmos",
        lambda: lambda s: rated.append(s) or dict.fromkeys(DNSMOS_METRICS, 1),
    )
    audio.write(tmp_path / "a.wav", noisy, RATE)
    measure = measures.open_measure("dnsmos", RATE)
    for sources in (["s1", "s2", "s3"], ["mix_clean"]):
        scores = list(measure(item([tmp_path / "a.wav"] * len(sources), sources, RATE)))
        assert len(scores) == 3 * len(sources)
    assert len(rated) == 1
