"""How tests are shared out among processes."""

import pytest
from conftest import WORKER


@pytest.mark.skipif(not WORKER, reason="one process runs all tests")
def test_the_tests_of_a_file_stay_together(request):
    """A version of pytest that xdist does not know shares them out one by one, without a word."""
    assert request.node.nodeid.endswith("@test_conftest.py")
