from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from pipeline.losses import TERMS, parse_terms
from pipeline.losses.loss import Loss, aligned, best_neg_si_sdr
from pipeline.tasks import DENOISE, SEPARATE

denoiser_loss, separator_loss = (
    Loss(task.loss, task.permuted, 8000) for task in (DENOISE, SEPARATE)
)


def signals(batch, sources, time=800, seed=0, leak=0.7):
    generator = torch.Generator().manual_seed(seed)
    targets, noise = torch.randn(2, batch, sources, time, generator=generator)
    return targets + leak * noise, targets


def si_sdr(estimate, target):
    """Le Roux et al. 2019, equation 3, in dB."""
    projection = estimate @ target / (target @ target) * target
    return 10 * np.log10((projection @ projection) / np.square(estimate - projection).sum())


def pairwise(estimates, targets):
    return np.array([[si_sdr(e, t) for t in targets] for e in estimates])


def test_denoiser_loss_is_negative_snr_in_db():
    time = torch.arange(800) / 800
    target, error = torch.sin(2 * torch.pi * 8 * time), torch.cos(2 * torch.pi * 24 * time)
    targets = target.expand(2, 1, 800)
    estimates = torch.stack([target + 0.1 * error, target + error])[:, None]  # 20 dB and 0 dB
    assert denoiser_loss(estimates, targets).item() == pytest.approx(-10, abs=1e-4)


@pytest.mark.parametrize("gain, expected", [(0.5, 20 * np.log10(2)), (2.0, 0.0), (0.9, 20.0)])
def test_denoiser_loss_is_not_blind_to_scale(gain, expected):
    _, targets = signals(3, 1)
    assert denoiser_loss(gain * targets, targets).item() == pytest.approx(-expected, abs=1e-3)


@pytest.mark.parametrize("name", ["snr", "si_sdr"])
def test_an_offset_of_the_estimate_is_an_error(name):
    _, targets = signals(1, 1, 4000)
    targets -= targets.mean()
    [(_, term, _)] = parse_terms({name: 1}, 8000)
    ratio = -10 * torch.log10(targets.square().mean() / 0.1**2)  # of the target and the offset
    for values in (term.single(targets[0] + 0.1, targets[0]), term.pairs(targets + 0.1, targets)):
        assert values.item() == pytest.approx(ratio.item(), abs=1e-3)


@pytest.mark.parametrize("sources", [2, 3, 4])
def test_separator_loss_ignores_order_and_scale(sources):
    estimates, targets = signals(2, sources)
    expected = separator_loss(estimates, targets)
    for seed in range(3):
        order = torch.randperm(sources, generator=torch.Generator().manual_seed(seed))
        gains = torch.tensor([0.1, 3.0, 20.0, 1.0])[:sources, None]
        torch.testing.assert_close(separator_loss(gains * estimates[:, order], targets), expected)


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_best_permutation_is_that_of_brute_force(sources):
    estimates, targets = signals(5, sources, leak=4.0)  # so poor that the best is not obvious
    for item, found in enumerate(best_neg_si_sdr(estimates, targets)):
        scores = pairwise(estimates[item].double().numpy(), targets[item].double().numpy())
        places = np.arange(sources)
        best = max(scores[list(order), places].mean() for order in permutations(range(sources)))
        assert found.item() == pytest.approx(-best, abs=1e-3)


@pytest.mark.parametrize("sources", [4, 5])
def test_best_permutation_is_that_of_the_hungarian_method(sources):
    estimates, targets = signals(4, sources, leak=4.0)
    for item, found in enumerate(best_neg_si_sdr(estimates, targets)):
        scores = pairwise(estimates[item].double().numpy(), targets[item].double().numpy())
        best = scores[linear_sum_assignment(-scores)].mean()
        assert found.item() == pytest.approx(-best, abs=1e-3)


def test_item_above_30_db_gives_the_floor_and_no_gradient():
    estimates, targets = signals(2, 2)
    estimates[0] = targets[0] + 1e-3 * (estimates[0] - targets[0])
    estimates.requires_grad_()
    alone = separator_loss(estimates[1:], targets[1:])
    loss = separator_loss(estimates, targets)
    assert loss.item() == pytest.approx((-30 + alone.item()) / 2, abs=1e-5)
    both, other = (torch.autograd.grad(x, estimates)[0] for x in (loss, alone))
    assert not both[0].any()
    torch.testing.assert_close(both[1], other[1] / 2)
    assert both[1].abs().max() > 0


@pytest.mark.parametrize("silent", ["target", "estimate", "both"])
@pytest.mark.parametrize("loss, sources", [(separator_loss, 3), (denoiser_loss, 1)])
def test_silence_gives_finite_loss_and_gradients(loss, sources, silent):
    estimates, targets = signals(2, sources)
    if silent != "estimate":
        targets[0, 0] = 0
    if silent != "target":
        estimates[0, 0] = 0
    estimates.requires_grad_()
    value = loss(estimates, targets)
    value.backward()
    assert value.isfinite() and estimates.grad.isfinite().all()


@pytest.mark.parametrize("order", permutations(range(3)))
def test_estimates_are_put_in_the_order_of_the_targets(order):
    estimates, targets = signals(2, 3)
    assert torch.equal(aligned(estimates[:, list(order)], targets), estimates)


@pytest.mark.parametrize("name", list(TERMS))
@pytest.mark.parametrize("sources", [2, 3, 4])
def test_a_term_of_pairs_is_that_of_each_pair(name, sources):
    estimates, targets = signals(3, sources, leak=2.0)
    [(_, term, _)] = parse_terms({name: 1}, 8000)
    found = term.pairs(estimates, targets)
    for place in np.ndindex(3, sources, sources):
        item, estimate, target = place
        pair = estimates[item, estimate, None], targets[item, target, None]
        expected = term.single(*pair)
        torch.testing.assert_close(found[place], expected[0], rtol=1e-5, atol=1e-5)


def test_terms_are_weighted_and_share_the_best_order():
    estimates, targets = signals(4, 3, leak=3.0)
    found = Loss({"si_sdr": 1.0, "l1": 20.0}, permuted=True, sample_rate=8000)(estimates, targets)
    singles = [TERMS[name] for name in ("si_sdr", "l1")]
    expected = []
    for item in range(4):
        sums = []
        for order in permutations(range(3)):
            pair = estimates[item, list(order)], targets[item]
            values = [term.single(*pair).mean() for term in singles]
            sums.append(values[0] + 20 * values[1])
        expected.append(min(sums))
    torch.testing.assert_close(found, torch.stack(expected).mean(), rtol=1e-5, atol=1e-5)


def test_the_weights_decide_the_order():
    """Swapped and negated sources: SI-SDR, blind to the sign, sees them swapped, L1 does not."""
    estimates, targets = signals(1, 2, leak=0.1)
    estimates = -3 * estimates.flip(1)
    for weight, swapped in ((1.0, True), (1000.0, False)):
        loss = Loss({"si_sdr": 1.0, "l1": weight}, permuted=True, sample_rate=8000)
        ordered = estimates.flip(1) if swapped else estimates
        expected = (ordered - targets).abs().mean()
        torch.testing.assert_close(loss.parts(estimates, targets)["l1"], expected)


def test_weights_scale_a_loss_of_one_term_and_leave_its_floor():
    estimates, targets = signals(2, 2)
    estimates[0] = targets[0] + 1e-3 * (estimates[0] - targets[0])  # below the floor
    for weight in (1.0, 0.5, 3.0):
        found = Loss({"si_sdr": weight}, permuted=True, sample_rate=8000)(estimates, targets)
        torch.testing.assert_close(found, weight * separator_loss(estimates, targets))


def test_sources_in_their_order_are_not_permuted():
    estimates, targets = signals(2, 2, leak=0.1)
    fixed, free = (
        Loss({"snr": 1.0, "l1": 1.0}, permuted, sample_rate=8000) for permuted in (False, True)
    )
    torch.testing.assert_close(fixed(estimates, targets), free(estimates, targets))
    turned = estimates.flip(1)
    torch.testing.assert_close(free(turned, targets), free(estimates, targets))
    assert fixed(turned, targets) > fixed(estimates, targets) + 10


def test_a_score_of_sources_in_their_order_is_not_permuted():
    estimates, targets = signals(2, 2, leak=0.1)
    fixed, free = (Loss({"snr": 1.0}, permuted, sample_rate=8000) for permuted in (False, True))
    torch.testing.assert_close(
        fixed.neg_si_sdr(estimates, targets), free.neg_si_sdr(estimates, targets)
    )
    turned = estimates.flip(1)
    assert (fixed.neg_si_sdr(turned, targets) > free.neg_si_sdr(turned, targets) + 10).all()
    assert torch.equal(fixed.ordered(turned, targets), turned)
    assert torch.equal(free.ordered(turned, targets), estimates)


def with_absent(batch=4, seed=0):
    """Estimates, targets and mixtures of one to three of three speakers, in shuffled places."""
    estimates, targets = signals(batch, 3, seed=seed)
    targets[0, 1:] = 0
    targets[1, 0] = 0
    estimates[0, 1:] *= 0.01
    noise = torch.randn(batch, 800, generator=torch.Generator().manual_seed(seed))
    return estimates, targets, targets.sum(1) + 0.1 * noise


def test_an_absent_speaker_costs_the_level_of_its_output():
    time = torch.arange(800) / 800
    talk, leak = torch.sin(2 * torch.pi * 8 * time), torch.cos(2 * torch.pi * 24 * time)
    targets = torch.stack([talk, 0 * talk])[None]
    loss = Loss({"snr": 1}, permuted=True, sample_rate=8000, absent=True)
    for below in (0, 10, 20, 60):  # dB below the mixture, which is the lone talker
        estimates = torch.stack([10 ** (-below / 20) * leak, talk + 0.1 * leak])[None]  # SNR 20 dB
        level = 10 * np.log10(10 ** (-below / 10) + 1e-3)
        value = loss(estimates, targets, talk[None]).item()
        assert value == pytest.approx((-20 + level) / 2, abs=1e-3)
        # A gain of everything changes nothing.
        assert loss(7 * estimates, 7 * targets, 7 * talk[None]).item() == pytest.approx(
            value, abs=1e-3
        )


@pytest.mark.parametrize("terms", [{"si_sdr": 1}, {"snr": 1}, {"si_sdr": 1, "l1": 20}])
def test_the_best_order_with_absent_speakers_is_that_of_brute_force(terms):
    estimates, targets, mixtures = with_absent()
    loss = Loss(terms, permuted=True, sample_rate=8000, absent=True)
    fixed = Loss(terms, permuted=False, sample_rate=8000, absent=True)
    for item in range(len(targets)):
        one, two, three = (each[item, None] for each in (estimates, targets, mixtures))
        every = [fixed(one[:, list(order)], two, three).item() for order in permutations(range(3))]
        assert loss(one, two, three).item() == pytest.approx(min(every), abs=1e-4)
    assert loss(estimates, targets, mixtures) < fixed(estimates[:, [1, 2, 0]], targets, mixtures)


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("terms", [{"si_sdr": 1}, {"snr": 1, "l1": 2, "multi_resolution_stft": 1}])
def test_a_batch_without_absent_speakers_has_the_very_same_loss(permuted, terms):
    estimates, targets = signals(4, 3, 4000, leak=4.0)
    plain, other = (Loss(terms, permuted, 8000, absent) for absent in (False, True))
    assert torch.equal(plain(estimates, targets), other(estimates, targets, targets.sum(1)))
    assert torch.equal(plain.neg_si_sdr(estimates, targets), other.neg_si_sdr(estimates, targets))
    assert torch.equal(plain.ordered(estimates, targets), other.ordered(estimates, targets))


@pytest.mark.parametrize(
    "terms", [{"si_sdr": 1}, {"snr": 1}, {"snr": 1, "multi_resolution_stft": 1}]
)
def test_gradients_with_absent_speakers_are_finite_and_silence_their_outputs(terms):
    estimates, targets, mixtures = with_absent()
    estimates[3], targets[3], mixtures[3] = 0, 0, 0  # a piece in which nobody speaks
    estimates.requires_grad_()
    value = Loss(terms, True, 8000, absent=True)(estimates, targets, mixtures)
    value.backward()
    assert value.isfinite() and estimates.grad.isfinite().all()
    # A step against the gradient lowers the level of the outputs that have no speaker.
    along = (estimates.grad * estimates.detach()).sum(-1)[0]
    assert (along[1:] > 0).all()


def test_the_score_of_dev_is_over_the_speakers_that_are_there():
    estimates, targets, _ = with_absent()
    loss = Loss({"si_sdr": 1}, permuted=True, sample_rate=8000, absent=True)
    there = [[0], [1, 2], [0, 1, 2], [0, 1, 2]]
    for order in ([0, 1, 2], [2, 0, 1]):
        found = loss.neg_si_sdr(estimates[:, order], targets)
        ordered = loss.ordered(estimates[:, order], targets)
        for item, places in enumerate(there):
            scores = pairwise(estimates[item].double().numpy(), targets[item].double().numpy())
            best = np.mean([scores[place, place] for place in places])
            assert found[item].item() == pytest.approx(-best, abs=1e-3)
            assert torch.equal(ordered[item, places], estimates[item, places])
