"""Other users than root, since root may read everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534
"".encode("utf-8-sig")  # loads the codec while the folder of the interpreter can still be read


@contextmanager
def a_user() -> Iterator[None]:
    """Act as a user who is not root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
