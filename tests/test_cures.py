"""The cure in an error line works when it is followed: each line has a test that does so.

A change that adds or changes a line adds that test, and enters both in `cures.txt`.
"""

import pytest
from cures import Line, exists, find_lines, read_table

TABLE = read_table()


def test_every_line_has_a_test_that_follows_it():
    missing = sorted(find_lines() - TABLE.keys())
    assert not missing, "write a test that follows these, and enter it in tests/cures.txt"


def test_every_entry_is_a_line_of_the_code():
    gone = sorted(TABLE.keys() - find_lines())
    assert not gone, "these lines of tests/cures.txt are no longer in the code"


@pytest.mark.parametrize("test", sorted({test for tests in TABLE.values() for test in tests}))
def test_every_test_of_the_table_exists(test):
    assert exists(test), f"tests/cures.txt names {test}"


def test_every_kind_of_line_is_found():
    """f-strings in parts, functions that others print, lists, validators and rules."""
    assert len(find_lines()) > 150
    assert {
        Line("audio/files.py", "{}: may not be read; check its permissions"),
        Line("corpora/convert.py", "is silent (below -80 dBFS); remove it from the corpus"),
        Line("corpora/scan.py", "{}; remove one of them"),
        Line("config/section.py", "'{}' stands twice; name it once"),
        Line("training/saving.py", STOPPED),
        Line(
            "workflow/rules/common.smk", "{}: cannot be written; choose a folder with --directory"
        ),
    } <= find_lines()


STOPPED = "stopped by {}; its state is saved: run the same command again to go on"
