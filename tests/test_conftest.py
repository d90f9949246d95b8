"""The distribution of tests among processes."""

import pytest


def test_the_tests_of_a_file_stay_together(request):
    """A version of pytest that xdist does not know distributes them one by one, silently."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all tests")
    assert request.node.nodeid.endswith("@test_conftest.py")
