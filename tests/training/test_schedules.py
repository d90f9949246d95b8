"""Warm-up, cosine and clipping by history, against their formulas on what a training did."""

import math

import numpy as np
import pytest
import torch

from pipeline.training.module import Trainee
from pipeline.training.schedules import ClipByHistory, factor

STEPS = 18  # three epochs of 6


@pytest.fixture
def watched(attempt, tmp_path, monkeypatch):
    """`watched(**settings)`: learning rates and norms of gradients of all steps as applied."""

    def watch(**settings):
        rates, norms = [], []
        configure = Trainee.configure_optimizers

        def watching(module):
            optimizer = configure(module)
            step = optimizer.step

            def noted(closure=None):
                loss = step(closure)
                rates.append(optimizer.param_groups[0]["lr"])
                gradients = [p.grad for p in module.parameters() if p.grad is not None]
                norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
                return loss

            optimizer.step = noted
            return optimizer

        monkeypatch.setattr(Trainee, "configure_optimizers", watching)
        attempt(tmp_path, **settings).run()
        return np.array(rates), np.array(norms)

    return watch


def test_a_cosine_ends_with_the_last_step(watched):
    rates, _ = watched(schedule="cosine", learning_rate=0.01)
    expected = [0.005 * (1 + math.cos(math.pi * step / STEPS)) for step in range(STEPS)]
    assert rates == pytest.approx(expected)


def test_a_cosine_of_limited_steps_ends_with_them_and_begins_after_the_warm_up(watched):
    rates, _ = watched(schedule="cosine", learning_rate=0.01, warmup_steps=3, max_steps=9)
    falling = [0.005 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert rates == pytest.approx([0.01 / 3, 0.02 / 3, 0.01, *falling])


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_a_warm_up_ends_at_the_rate(watched, schedule):
    rates, _ = watched(schedule=schedule, learning_rate=0.01, warmup_steps=4)
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, *[0.01] * (STEPS - 3)])


def test_a_rate_that_a_plateau_lowered_is_left_alone(watched):
    still = {"gradient_clip": 1e-30, "plateau_patience": 1, "epochs": 5}
    rates, _ = watched(**still, learning_rate=0.01, warmup_steps=2)
    assert rates[0] == pytest.approx(rates[-1]) == 0.005 and rates.max() == 0.01


def test_the_factor_never_rises_again():
    assert factor(20, 0, True, 10) == 0 and factor(5, 5, True, 5) == 1


def test_norms_are_clipped_to_a_percentile_of_those_so_far(watched):
    _, whole = watched(gradient_clip=1e9, learning_rate=1e-12)
    _, clipped = watched(gradient_clip=1e9, learning_rate=1e-12, gradient_clip_percentile=25.0)
    limits = [np.percentile(whole[: step + 1], 25) for step in range(STEPS)]
    assert clipped == pytest.approx(np.minimum(whole, limits), rel=1e-3)
    assert (clipped < 0.99 * whole).sum() > 5


class Skips:
    kept = True


def test_steps_that_are_left_out_are_no_history():
    module = torch.nn.Linear(1, 1)
    clip = ClipByHistory(50, skips := Skips())
    for gradient, skips.kept in ((1.0, True), (math.nan, False), (3.0, True)):
        for parameter in module.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        clip.on_before_optimizer_step(None, module, None)
    assert clip.norms == pytest.approx([2**0.5, 3 * 2**0.5])
    assert float(module.weight.grad) == pytest.approx(2)  # the median of both norms
    resumed = ClipByHistory(50, skips)
    resumed.load_state_dict(clip.state_dict())
    assert resumed.norms == clip.norms
