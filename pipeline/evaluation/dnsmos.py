"""DNSMOS P.835: a network's guess of how listeners rate speech, noise and the whole, 1…5.

Reddy et al. 2022, arXiv:2110.01763. The network is that of the PyPI package `speechmos` (MIT,
Microsoft), run here and not by its `run()`, which takes every core of the machine and computes
a second network (P.808) that is not asked for. The scores are the same.
"""

from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np

from pipeline.audio import Samples
from pipeline.evaluation.hearing import HEARD_RATE

DNSMOS_METRICS = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl")
"""Speech, background and overall quality, in the order of the network's outputs."""

WINDOW_SECONDS = 9.01
"""What the network hears at a time, once a second."""

# What it says to what listeners said, highest power first, as fitted by its authors.
CALIBRATION = (
    np.poly1d([-0.08397278, 1.22083953, 0.0052439]),
    np.poly1d([-0.13166888, 1.60915514, -0.39604546]),
    np.poly1d([-0.06766283, 1.11546468, 0.04602535]),
)

Rate = Callable[[Samples], dict[str, float]]


def open_dnsmos() -> Rate:
    """Load the network, on one thread: a function from `[time]`, as `hear` gives it, to scores."""
    import onnxruntime  # an extra of the project

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with as_file(files("speechmos") / "dnsmos_models" / "sig_bak_ovr.onnx") as model:
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    def rate(samples: Samples) -> dict[str, float]:
        heard = [session.run(None, {"input_1": w[None]})[0][0] for w in windows(samples)]
        scores = [f(said).mean() for f, said in zip(CALIBRATION, np.array(heard).T, strict=True)]
        return {m: float(s) for m, s in zip(DNSMOS_METRICS, scores, strict=True)}

    return rate


def windows(samples: Samples) -> list[Samples]:
    """Cut `[time]` into the windows of the reference code, a short signal repeated until it fits.

    That code drops a window whose bounds rounding brings too close together: of more than 16 s,
    a few. Published scores are without them, and so are ours.
    """
    length = int(WINDOW_SECONDS * HEARD_RATE)
    while len(samples) < length:
        samples = np.concatenate([samples, samples])
    count = int(len(samples) // HEARD_RATE - WINDOW_SECONDS) + 1
    ends = [int((second + WINDOW_SECONDS) * HEARD_RATE) for second in range(count)]
    pieces = [samples[k * HEARD_RATE : end] for k, end in enumerate(ends)]
    return [piece.astype(np.float32) for piece in pieces if len(piece) == length]
