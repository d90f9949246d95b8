"""The name of the user, which may be missing, for example in a container."""

import getpass
import os


def name_user() -> None:
    """Give a user without an entry in /etc/passwd a name, in this process and its children.

    Snakemake and torch need one, and end with a traceback without it.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # which one depends on the version of Python
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
