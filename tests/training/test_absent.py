"""Trainings on mixtures of different numbers of speakers."""

import pytest

from pipeline.models.card import read_card
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.training import train as training
from pipeline.training.dynamic import fresh_mixtures

RATE = 8000


@pytest.mark.parametrize("absent", [False, True])
def test_absent_speakers_are_learnt_where_numbers_differ(attempt, tmp_path, monkeypatch, absent):
    found = attempt(tmp_path, epochs=1)
    if absent:
        for examples in found.examples:
            examples.table.loc[1, "target_2_path"] = None
    made, plain = [], training.Loss
    monkeypatch.setattr(training, "Loss", lambda *args: made.append(plain(*args)) or made[-1])
    found.run()
    assert [loss.absent for loss in made] == [absent]
    assert read_card(found.weights).training.get("speakers") == ([1, 2] if absent else None)
    assert found.history["dev_si_sdri"].abs().max() < 100


@pytest.mark.parametrize("task, counts", [(SEPARATE, [1, 3]), (DENOISE, [1])])
def test_fresh_mixtures_say_how_many_targets_they_have(converted, settings, task, counts):
    corpora = converted.speech, converted.noise
    fresh = fresh_mixtures(task, *corpora, settings(num_speakers=[3, 1]), "noisy", None, RATE)
    assert fresh.speaker_counts == counts and fresh.num_sources == max(counts)
