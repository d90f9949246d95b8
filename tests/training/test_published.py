"""A network with published weights is taken as it is."""

from dataclasses import replace

import pandas as pd
from safetensors.torch import load_file

from pipeline.models import MODELS
from pipeline.models.card import read_card


def test_a_published_network_is_not_trained(attempt, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "conv_tasnet", replace(MODELS["conv_tasnet"], trained=False))
    done = attempt(tmp_path).run()
    facts = read_card(done.weights).training
    assert facts["published"] and facts["licences"] == ["Corpus: CC BY 4.0"]
    assert not facts.keys() & {"steps", "seconds", "audio_seconds"}  # of a training elsewhere
    assert facts["parameters"] == sum(t.numel() for t in load_file(done.weights).values())
    assert pd.read_csv(done.curve).empty and not done.state.exists()
