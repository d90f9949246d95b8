"""A whole run on a cluster without accounting, judged by SLURM's own records."""

import json

import pytest
from conftest import ClusterRun

GPU_RULES = {"train_denoiser", "train_separator", "denoise", "separate"}


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    run = ClusterRun(tmp_path_factory.mktemp("run"))
    run.succeed()
    return run


def test_a(run, cluster):
    import time

    print(cluster.jobs())
