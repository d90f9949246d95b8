"""Who runs: a number without a name, as in a container, must do."""

import getpass
import os


def name_user() -> None:
    """Give a user without an entry in /etc/passwd a name, for this process and those it starts.

    Snakemake and torch ask for one, and end in a trace where there is none.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # by the version of Python
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
