"""The best system of a run, and the system that it is compared with."""

import numpy as np
import pytest
from report.scored import write_run
from systems import path_of

from pipeline.report.run import Run

SYSTEMS = ("net/noisy/noisy", "net/denoised-d/denoised-d", "net/clean/denoised-d")
DIRECT, HELPED, OTHER = map(path_of, SYSTEMS)
AFTER, SHARED = (path_of(f"net/{c}") for c in ("noisy/noisy--denoised-d", "clean/denoised-d-dry20"))


def run_of(folder, means, metric="si_sdri") -> Run:
    scores = {name: np.full((2, 1), mean) for name, mean in means.items()}
    return Run(write_run(folder, {metric: scores}))


@pytest.mark.parametrize(
    ("metric", "best"), [("si_sdri", "n/noisy/noisy"), ("wer", "n/clean/noisy")]
)
def test_the_main_system_is_the_best_that_is_not_an_oracle(tmp_path, metric, best):
    means = {"n/noisy/noisy": 30.0, "n/clean/noisy": 20.0, "n/clean/clean": 99.0}
    means |= {"m/clean/clean": 1.0, "mixture": 0.0}
    run = run_of(tmp_path, means, metric)
    assert run.main == path_of(best) and len(run.ranked) == 2


@pytest.mark.parametrize(
    ("means", "pair"),
    [
        ({DIRECT: 5.0, HELPED: 7.0, OTHER: 6.0}, (HELPED, DIRECT)),
        ({DIRECT: 8.0, HELPED: 6.0, OTHER: 7.0}, (DIRECT, OTHER)),
        ({DIRECT: 8.0, path_of("other/noisy/denoised-d"): 7.0}, (DIRECT, None)),
        ({HELPED: 8.0}, (HELPED, None)),
        ({DIRECT: 5.0, AFTER: 7.0}, (AFTER, DIRECT)),
        ({DIRECT: 8.0, AFTER: 7.0}, (DIRECT, AFTER)),
        ({DIRECT: 5.0, SHARED: 7.0}, (SHARED, DIRECT)),
        ({DIRECT: 5.0, "ideal_mask": 17.0}, (DIRECT, None)),
        ({"net/clean/clean": 8.0}, (None, None)),
        ({"denoised-d": 1.0, "denoised-e": 2.0}, (path_of("denoised-e"), None)),
    ],
)
def test_it_is_compared_with_its_counterpart(tmp_path, means, pair):
    run = run_of(tmp_path, means)
    assert (run.main, run.counterpart) == pair
