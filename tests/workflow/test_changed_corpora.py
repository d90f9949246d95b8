"""Corpora on disk that change after a run."""

import numpy as np
import pytest
import soundfile as sf
import yaml
from workspace import SMOKE

from pipeline.base.files import read_manifest

SPEECH = {"scan_corpora": 1, "convert": 1, "gather_corpus": 1}
MIXED = {"draw_plan": 1, "render": 1, "gather_mixtures": 1}
TARGET = "results/mixtures/test/mixtures.csv"


@pytest.fixture
def config(corpus, tmp_path):
    """Configuration files of a run on a small corpus on disk."""
    corpus.fill(speakers=3, utterances=2)
    local = {"speech": str(corpus.speech), "noise": str(corpus.noise), "subsets": corpus.subsets}
    values = {"corpora": {"kind": "local", "local": local}}
    values["mixtures"] = {"min_seconds": 0.5, "counts": {"train": 4, "dev": 2, "test": 2}}
    path = tmp_path / "local.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return SMOKE, path


def test_a_recording_removed_as_its_error_says_is_missed_by_nobody(workspace, corpus, config):
    path = corpus.speak("train", "1001", 9)
    sf.write(path, np.zeros(16000, np.float32), 16000)
    done = workspace.run(TARGET, config=config)
    assert done.returncode != 0
    assert f"{path}: is silent (below -80 dBFS); remove it from the corpus" in done.stderr
    path.unlink()
    printed = workspace.succeed(TARGET, config=config)
    assert "corpora.local.speech: 1 gone since it was scanned" in printed
    assert workspace.jobs(TARGET, config=config) == {}

    corpus.hiss("test", "new")
    assert workspace.jobs(TARGET, config=config) == SPEECH | MIXED  # of the noise only
    printed = workspace.succeed(TARGET, config=config)
    assert "corpora.local.noise: 1 added since it was scanned; it is scanned again" in printed
    assert "new" in set(read_manifest(workspace / "corpora/noise.csv")["noise"])
    assert workspace.jobs(TARGET, config=config) == {}
