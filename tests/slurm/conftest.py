"""The cluster, runs to disturb on it, and an undisturbed run."""

import os
from collections.abc import Iterator

import pytest
from cluster import Cluster, missing
from disturbed import Disturbed, Undisturbed


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster, with accounting if the module sets `ACCOUNTING = True`."""
    accounting = getattr(request.module, "ACCOUNTING", False)
    if reason := missing(accounting):
        pytest.skip(reason)
    os.environ["PYTHONWARNINGS"] = "ignore"
    cluster = Cluster(accounting)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A finished run on this machine alone; its training is long enough to be hit by faults."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), epochs=40)


@pytest.fixture
def disturbed(cluster, undisturbed, tmp_path):
    """`disturbed(changes, whole)`: a run to be disturbed, with changes of the profile.

    It must end like `whole`, by default like `undisturbed`.
    """
    begun: list[Disturbed] = []

    def make(changes: dict[str, str] | None = None, whole: Undisturbed = undisturbed) -> Disturbed:
        begun.append(Disturbed(whole, tmp_path / "run", changes or {}))
        return begun[-1]

    yield make
    for run in begun:
        run.kill()


@pytest.fixture
def trainings(cluster):
    """`trainings()`: SLURM's records of the trainings submitted since the test began."""
    earlier = len(cluster.jobs("train_"))
    return lambda: cluster.jobs("train_")[earlier:]
