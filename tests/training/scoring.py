"""The dev scores of the weights that a training wrote, without its own code for them."""

import numpy as np
import torch

from pipeline.losses.loss import Loss, best_neg_si_sdr
from pipeline.models.weights import load_network
from pipeline.tasks import TASKS
from pipeline.training.data import Recordings


def loss_of(attempt):
    task = TASKS[attempt.job.task]
    return Loss(task.loss, task.permuted, 8000)


@torch.inference_mode()
def dev_scores(attempt):
    """Loss and SI-SDRi on dev of the weights that were written."""
    dev = attempt.examples[1]
    network = load_network(attempt.weights, dev.num_sources, dev.sample_rate)
    losses, gains = [], []
    for item in Recordings(dev):
        inputs, targets, noisy = (signal[None] for signal in item)
        estimates = network(inputs)
        losses.append(loss_of(attempt)(estimates, targets).item())
        before = best_neg_si_sdr(noisy[:, None].expand_as(targets), targets)
        gains.append((before - best_neg_si_sdr(estimates, targets)).item())
    return np.mean(losses), np.mean(gains)
