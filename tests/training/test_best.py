"""The average of the best epochs: its weights, its scores, and when it is not taken."""

import pytest
import torch
from safetensors.torch import load_file
from scoring import dev_scores

from pipeline.models.weights import read_card
from pipeline.training.best import load_best
from pipeline.training.module import Trainee


def kept_states(monkeypatch):
    """The weights of all states when a training ends, by their names."""
    kept = {}

    def note(trainee, curve, files, *others):
        for path in files:
            kept[path.name] = torch.load(path, weights_only=True)["state_dict"]
        return load_best(trainee, curve, files, *others)

    monkeypatch.setattr("pipeline.training.train.load_best", note)
    return kept


def test_the_best_are_averaged_and_scored(attempt, tmp_path, monkeypatch):
    """With epochs that are logged as worse than they are, so that the average is better."""
    kept, log = kept_states(monkeypatch), Trainee.log_dict
    values = [-30.0, -10.0, -20.0, -40.0]

    def worse(module, scores, **options):
        log(module, {name: 0 * scores[name] + values[module.current_epoch] for name in scores})

    monkeypatch.setattr(Trainee, "log_dict", worse)
    done = attempt(tmp_path, average_best=2, epochs=4).run()
    card = read_card(done.weights).training
    assert sorted(kept) == ["best-1.ckpt", "best-2.ckpt"]
    assert card["averaged_epochs"] == [2, 3] and card["best"]["epoch"] == 2
    for name, found in load_file(done.weights).items():
        both = [state[f"network.{name}"] for state in kept.values()]
        assert torch.allclose(found, (both[0] + both[1]) / 2, atol=1e-7)
    scores = card["best"]["dev_loss"], card["best"]["dev_si_sdri"]
    assert dev_scores(done) == pytest.approx(scores, abs=1e-3)
    assert not list(done.state.glob("*.ckpt"))


def test_an_average_that_dev_likes_less_is_not_taken(attempt, tmp_path, monkeypatch):
    kept = kept_states(monkeypatch)
    # Epochs that are far apart: the mean of their weights is no network.
    done = attempt(tmp_path, average_best=3, epochs=3, learning_rate=0.1, gradient_clip=1e9).run()
    card = read_card(done.weights).training
    assert "averaged_epochs" not in card
    name = f"best-{done.history['dev_si_sdri'].idxmax()}.ckpt"
    for key, found in load_file(done.weights).items():
        assert torch.equal(found, kept[name][f"network.{key}"])
