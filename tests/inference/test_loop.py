"""The loop over pieces, with networks of known output."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.inference.chunks import Recording, cut
from pipeline.inference.estimator import Estimator
from pipeline.inference.loop import Loop
from pipeline.models.signals import Inputs

CPU = torch.device("cpu")
RATE, LONGEST, OVERLAP = 8000, 800, 200


class Twice(nn.Module):
    """The mixture and its double; records its inputs; returns NaN from call `broken` on."""

    def __init__(self, broken=None):
        super().__init__()
        self.broken, self.given = broken, []

    def forward(self, mixtures, lengths=None):
        self.given.append((tuple(mixtures.shape), lengths))
        factors = torch.tensor([1.0, 2.0]) if len(self.given) != self.broken else torch.nan
        return mixtures[:, None] * torch.ones(2, 1) * torch.as_tensor(factors).view(-1, 1)


def recording(folder, name, samples):
    """A file of noise to be separated into `<name>-1.wav` and `<name>-2.wav`."""
    noise = np.random.default_rng(samples).uniform(-0.1, 0.1, samples).astype(np.float32)
    audio.write(folder / f"{name}.wav", noise, RATE, "FLOAT")
    targets = tuple(folder / f"{name}-{k}.wav" for k in (1, 2))
    return Recording(name, str(folder / f"{name}.wav"), samples, targets)


def run(network, recordings, size, alone):
    pieces = [piece for each in recordings for piece in cut(each, LONGEST, OVERLAP)]
    groups = [pieces[start : start + size] for start in range(0, len(pieces), size)]
    return Loop(Estimator(network, CPU, "fp32", Path("w")), RATE, alone).run(groups, "test")


@pytest.mark.parametrize("size, alone", [(1, True), (1, False), (4, False), (50, False)])
def test_all_recordings_are_written_completely(tmp_path, size, alone):
    recordings = [recording(tmp_path, str(n), n) for n in (5000, 900, 800, 1)]
    passed = run(Twice(), recordings, size, alone)
    assert [len(p.pieces) for p in passed][:-1] == [size] * (len(passed) - 1)
    for each in recordings:
        mixture = audio.read_at(each.path, RATE)
        for factor, path in enumerate(each.targets, 1):
            np.testing.assert_allclose(audio.read_at(path, RATE), factor * mixture, atol=1e-7)


def test_lengths_are_given_where_zeros_follow(tmp_path):
    network = Twice()
    run(network, [recording(tmp_path, str(n), n) for n in (2000, 500)], 2, False)
    (first, none), (second, lengths) = network.given
    assert first == (2, LONGEST) and none is None
    assert second == (2, LONGEST) and lengths.tolist() == [LONGEST, 500]


@pytest.mark.parametrize("alone", [True, False])
def test_an_error_on_the_way_leaves_no_file(tmp_path, alone):
    long = recording(tmp_path, "long", 20000)
    with pytest.raises(PipelineError, match=r"^w: gives NaN for .*long\.wav; ") as error:
        run(Twice(broken=12), [long], 1, alone)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["long.wav"]


def test_lack_of_memory_is_one_line():
    class Large(nn.Module):
        def forward(self, mixtures):
            if mixtures.numel() > 14:
                raise torch.OutOfMemoryError
            return mixtures[:, None]

    def start(*shape):
        return Estimator(Large(), CPU, "fp32").start(Inputs(torch.zeros(shape)))()

    with pytest.raises(PipelineError) as error:
        start(3, 7)
    assert str(error.value) == (
        "inference.batch_size: 3 of 7 samples do not fit in the GPU's memory; lower it, or"
        " inference.max_seconds"
    )
    start(2, 7), start(3, 4)  # the cures


def test_a_network_is_frozen():
    estimator = Estimator(nn.Linear(4, 4, bias=False), CPU, "fp32")
    assert not any(weight.requires_grad for weight in estimator.network.parameters())


ENDLESS = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from pipeline.inference.chunks import Recording, cut
from pipeline.inference.estimator import Estimator
from pipeline.inference.loop import Loop

class Slow(nn.Module):
    def forward(self, mixtures, lengths=None):
        print("runs", flush=True)
        time.sleep(0.1)
        return mixtures[:, None]

path, samples, alone = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
pieces = list(cut(Recording("a", path, samples, (Path(path + ".out"),)), 100, 50))
estimator = Estimator(Slow(), torch.device("cpu"), "fp32")
Loop(estimator, 8000, alone).run([[piece] for piece in pieces], "test")
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("alone", [True, False])
def test_a_signal_ends_it_and_leaves_nothing_under_its_name(tmp_path, number, alone):
    long = recording(tmp_path, "long", 400_000)  # 8000 pieces, a quarter of an hour
    command = [sys.executable, "-c", ENDLESS, long.path, str(long.samples), str(alone)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == -number
    left = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".part")}
    assert left == {"long.wav"}
    if number == signal.SIGINT:
        assert not list(tmp_path.glob(".*.part"))


MEASURED = """
import resource
import sys
from pathlib import Path
import numpy as np
import soundfile as sf
import torch
from torch import nn
from pipeline.config import Machine
from pipeline.models.devices import open_device
from pipeline.inference.chunks import Recording, cut
from pipeline.inference.estimator import Estimator
from pipeline.inference.loop import Loop

folder, seconds = Path(sys.argv[1]), int(sys.argv[2])
noise = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
with sf.SoundFile(folder / "a.wav", "w", 8000, 1, "PCM_16") as file:
    for _ in range(seconds):
        file.write(noise)

class Same(nn.Module):
    def forward(self, mixtures, lengths=None):
        return torch.stack([mixtures, -mixtures], 1)

targets = (folder / "s1.wav", folder / "s2.wav")
pieces = list(cut(Recording("a", str(folder / "a.wav"), 8000 * seconds, targets), 80000, 16000))
estimator = Estimator(Same(), open_device(Machine(device="cpu")), "fp32")
for size in (1, 4):
    groups = [pieces[start : start + size] for start in range(0, len(pieces), size)]
    Loop(estimator, 8000, size == 1).run(groups, "test")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for seconds in (600, 3600):
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
        assert audio.info(tmp_path / "s2.wav").samples == 8000 * seconds
    assert peaks[1] - peaks[0] < 60  # MB; an hour of samples takes 110, of two sources another 220
