"""DNSMOS P.835: a network's prediction of listeners' ratings of speech, noise and both, 1…5.

Reddy et al. 2022, arXiv:2110.01763. The network is that of the PyPI package `speechmos` (MIT,
Microsoft). It is run here and not by the package's `run()`, which uses every core of the machine
and also computes a second network (P.808). The scores are the same.
"""

from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np

from pipeline.audio import Samples
from pipeline.evaluation.hearing import HEARD_RATE

DNSMOS_METRICS = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl")
"""Speech, background and overall quality, in the order of the network's outputs."""

WINDOW_SECONDS = 9.01
"""Length of the network's input; a new window begins every second."""

# From the network's outputs to listeners' ratings, highest power first, as fitted by its authors.
CALIBRATION = (
    np.poly1d([-0.08397278, 1.22083953, 0.0052439]),
    np.poly1d([-0.13166888, 1.60915514, -0.39604546]),
    np.poly1d([-0.06766283, 1.11546468, 0.04602535]),
)

Rate = Callable[[Samples], dict[str, float]]


def open_dnsmos() -> Rate:
    """Load the network on one thread; return a function from `[time]`, as of `hear`, to scores."""
    import onnxruntime  # an extra of the project

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with as_file(files("speechmos") / "dnsmos_models" / "sig_bak_ovr.onnx") as model:
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    def rate(samples: Samples) -> dict[str, float]:
        outputs = [session.run(None, {"input_1": w[None]})[0][0] for w in windows(samples)]
        scores = [f(raw).mean() for f, raw in zip(CALIBRATION, np.array(outputs).T, strict=True)]
        return {m: float(s) for m, s in zip(DNSMOS_METRICS, scores, strict=True)}

    return rate


def windows(samples: Samples) -> list[Samples]:
    """Cut `[time]` into the windows of the reference code; a short signal is repeated to fit.

    The reference code drops a window if rounding brings its bounds too close together, which
    happens to a few windows beyond 16 s. Published scores lack these windows, and so do ours.
    """
    length = int(WINDOW_SECONDS * HEARD_RATE)
    while len(samples) < length:
        samples = np.concatenate([samples, samples])
    count = int(len(samples) // HEARD_RATE - WINDOW_SECONDS) + 1
    ends = [int((second + WINDOW_SECONDS) * HEARD_RATE) for second in range(count)]
    pieces = [samples[k * HEARD_RATE : end] for k, end in enumerate(ends)]
    return [piece.astype(np.float32) for piece in pieces if len(piece) == length]
