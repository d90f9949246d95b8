"""Demucs from the layout of its published weights: matrices, and an LSTM step by step."""

import torch
import torch.nn.functional as F

ZEROS = 56


def interpolation(time):
    """The matrix `[2 time, time]` that interpolates at every half sample with a windowed sinc."""
    distances = torch.arange(2 * time, dtype=torch.double)[:, None] / 2 - torch.arange(time)
    window = torch.cos(torch.pi * distances / (2 * ZEROS)) ** 2 * (distances.abs() < ZEROS)
    return torch.sinc(distances) * window


def lstm(inputs, state, layer, suffix=""):
    """One direction of one layer over `[frames, channels]`."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    of_input, of_hidden, bias, more = (state[f"lstm.lstm.{p}_l{layer}{suffix}"] for p in parts)
    hidden = cell = torch.zeros(of_hidden.shape[1], dtype=inputs.dtype)
    outputs = []
    for frame in inputs:
        enter, forget, new, leave = (of_input @ frame + of_hidden @ hidden + bias + more).chunk(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        outputs.append(hidden)
    return torch.stack(outputs)


def recurrent(inputs, state):
    for layer in range(2):
        found = lstm(inputs, state, layer)
        if "lstm.linear.weight" in state:
            back = lstm(inputs.flip(0), state, layer, "_reverse").flip(0)
            found = torch.cat([found, back], 1)
        inputs = found
    if "lstm.linear.weight" in state:
        inputs = inputs @ state["lstm.linear.weight"].T + state["lstm.linear.bias"]
    return inputs


def gated(frames, state, name):
    found = F.conv1d(frames, state[f"{name}.weight"], state[f"{name}.bias"])
    if len(found) == len(frames):
        return found.relu()
    values, gates = found.chunk(2)
    return values * gates.sigmoid()


def demucs(mixture, state, stride=4, resample=4, floor=1e-3, running=False):
    """Estimates `[sources, time]` for a mixture `[time]`."""
    state = {name: tensor.double() for name, tensor in state.items()}
    mixture, time = mixture.double(), len(mixture)
    kernel = state["encoder.0.0.weight"].shape[2]
    depth = sum(name.startswith("encoder") and name.endswith(".0.bias") for name in state)
    scale = mixture.std() if time > 1 else torch.zeros((), dtype=torch.double)
    if running:
        scale = torch.stack([mixture[: n + 1].square().mean().sqrt() for n in range(time)])
    length = resample * time  # find the next that the filters of all levels cover
    while not covered(length, kernel, stride, depth):
        length += 1
    signal = F.pad(mixture / (scale + floor), (0, -(-length // resample) - time))
    for _ in range({1: 0, 2: 1, 4: 2}[resample]):
        signal = interpolation(len(signal)) @ signal
    frames, skips = signal[None], []
    for level in range(depth):
        name = f"encoder.{level}"
        weight, bias = state[f"{name}.0.weight"], state[f"{name}.0.bias"]
        frames = gated(F.conv1d(frames, weight, bias, stride).relu(), state, f"{name}.2")
        skips.append(frames)
    frames = recurrent(frames.T, state).T
    for level in range(depth):
        name, skip = f"decoder.{level}", skips.pop()
        weight, bias = state[f"{name}.2.weight"], state[f"{name}.2.bias"]
        frames = gated(frames + skip[:, : frames.shape[1]], state, f"{name}.0")
        frames = F.conv_transpose1d(frames, weight, bias, stride)
        frames = frames.relu() if skips else frames
    for _ in range({1: 0, 2: 1, 4: 2}[resample]):
        frames = F.pad(frames, (0, frames.shape[1] % 2))
        frames = frames @ interpolation(frames.shape[1] // 2) / 2
    return frames[:, :time] * scale


def covered(length, kernel, stride, depth):
    """Whether no sample is left over at any level."""
    for _ in range(depth):
        if length < kernel or (length - kernel) % stride:
            return False
        length = (length - kernel) // stride + 1
    return True
