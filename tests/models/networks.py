"""Measurements that the tests of several networks share."""

import torch


def count(network):
    return sum(p.numel() for p in network.parameters())


def last_dependence(network, mixture, sample):
    """The last sample of `mixture`, `[time]`, on which the estimates at `sample` depend."""
    inputs = mixture.clone().requires_grad_()
    network(inputs[None])[0, :, sample].sum().backward()
    return int(inputs.grad.nonzero()[-1])


def noise(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
