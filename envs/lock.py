"""Rewrite constraints.txt from what is installed: `make lock`."""

from importlib.metadata import distributions
from pathlib import Path

HEADER = "# Exact versions of all that pip installs, as the tests ran with them (make lock).\n"
LEFT_OUT = {"pip", "denoise-then-separate"}

versions = {d.metadata["Name"]: d.version.split("+")[0] for d in distributions()}
lines = [f"{n}=={v}\n" for n, v in sorted(versions.items(), key=str) if n not in LEFT_OUT]
Path(__file__).with_name("constraints.txt").write_text(HEADER + "".join(lines))
