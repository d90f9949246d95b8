"""Properties that hold for any input, tested with a fixed few or with new ones (`make fuzz`)."""

import faulthandler
import os
import resource
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

ROOM = 1 << 30  # bytes of address space of a property: no header can request more
PATIENCE = 60  # s after which a single example counts as hanging, and ends the process

SLOW_IS_FINE = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("few", max_examples=100, derandomize=True, database=None, **SLOW_IS_FINE)
settings.register_profile("fuzz", max_examples=1000, database=None, **SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))


pd.Series(["a"]).str.upper()  # Arrow reserves 1 GB of addresses at its first use


@pytest.fixture(autouse=True)
def little_room():
    """Let no property take more memory than its input needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def example(tmp_path_factory):
    """`example(content, suffix)` writes the file under test, which is kept after a crash.

    `make fuzz` sets the folder, and looks into it when the process has died.
    """
    folder = os.environ.get("FUZZ_FOLDER") or tmp_path_factory.mktemp("example")

    def write(content: bytes, suffix: str) -> Path:
        path = Path(folder, f"example{suffix}")
        path.write_bytes(content)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        return path

    yield write
    faulthandler.cancel_dump_traceback_later()
