"""Errors in a command or a file of the configuration are reported before anything runs."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from workspace import ROOT, SMOKE, Workspace

TABLE = (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
TWICE = "seed: 1\ntraining: {epochs: 3}\nmixtures: {mode: max}\ntraining: {batch_size: 2}\n"


@pytest.fixture
def asked(workspace, tmp_path):
    """A dry run with a file of the user and arguments; returns its exit code and output."""
    mine = tmp_path / "mine.yaml"

    def run(content, *arguments):
        mine.unlink(missing_ok=True)
        if content is not None:
            mine.write_bytes(content)
        command = workspace.command("-n", "-q", "all", *arguments, config=(SMOKE, mine))
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, (done.stdout + done.stderr).replace(str(tmp_path), "/data")

    return run


def error_lines(printed):
    return [line for line in printed.splitlines() if line.startswith("error: ")]


def test_a_key_that_occurs_twice(asked):
    code, printed = asked(TWICE.encode())
    (line,) = error_lines(printed)
    assert code != 0 and "Traceback" not in printed
    assert f"`{line.removeprefix('error: ')}`" in TABLE
    assert asked(TWICE.replace("}\ntraining: {", ", ").replace("mixtures", "# ").encode())[0] == 0


def test_a_key_that_occurs_twice_on_the_command_line(asked):
    code, printed = asked(b"seed: 1", "--config", "training={epochs: 3, epochs: 4}")
    (line,) = error_lines(printed)
    assert code != 0 and f"`{line.removeprefix('error: ')}`" in TABLE


@pytest.mark.parametrize(
    "content",
    [
        b"seed: 5000000000",
        b"training.epochs: 3",
        b"corpora: {local: {speech: ~nobody_here/speech, noise: /data/noise}}",
    ],
)
def test_values_out_of_place(asked, content):
    code, printed = asked(content)
    (line,) = error_lines(printed)
    assert code != 0 and f"`{line.removeprefix('error: ')}`" in TABLE


def test_the_docs_example_has_two_denoisers(workspace, tmp_path):
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (block,) = (text for text in blocks if "denoised-small, denoised-large" in text)
    mine = tmp_path / "mine.yaml"
    mine.write_text(block, encoding="utf-8")
    jobs = workspace.jobs(config=(mine,))
    assert (jobs["train_denoiser"], jobs["train"]) == (2, 4)  # and conv_tasnet_deep


def test_null_takes_a_model_out_on_the_command_line_too(asked):
    others = "denoisers={conv_tasnet: null, other: {model: conv_tasnet}}"
    conditions = "separators={conv_tasnet: {conditions: [noisy, denoised-other]}}"
    code, printed = asked(b"seed: 1", "--config", others, conditions)
    assert code == 0, printed


TITLE = "report: {title: é}"
BEFORE = {
    "utf-16": (TITLE.encode("utf-16"), ()),
    "latin-1": (TITLE.encode("latin-1"), ()),
    "dotted": (b"seed: 1", ("--config", "training.epochs=3")),
    "no file": (None, ()),
}


@pytest.mark.parametrize("case", BEFORE)
def test_commands_that_end_in_snakemake_are_in_the_docs(asked, case):
    content, arguments = BEFORE[case]
    code, printed = asked(content, *arguments)
    assert code != 0
    (last,) = [line for line in printed.splitlines() if re.match(r"\w+Error: ", line)]
    assert f"`{last.split(' byte ')[0].replace('/data/', '')}" in TABLE


def test_its_cures_work(asked):
    code, printed = asked(TITLE.encode("utf-8"), "--config", "training={epochs: 3}")
    assert code == 0, printed


NAMELESS = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
# This is only needed so that an interpreter in the home folder of root can be read.
NAMELESS += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def test_a_user_without_a_name():
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    tried = subprocess.run([*NAMELESS, sys.executable, "-c", ""], capture_output=True)
    if os.geteuid() != 0 or tried.returncode:
        pytest.skip("no right to be another user")
    given = {"capture_output": True, "text": True, "timeout": 300}
    with tempfile.TemporaryDirectory() as folder:  # not below one of root's own folders
        Path(folder).chmod(0o777)
        command = [*NAMELESS, *Workspace(Path(folder)).command("-n", "-q", "all")]
        without = subprocess.run(command, env=path, **given)
        home = subprocess.run(command, env=path | {"HOME": folder}, **given)  # as the table says
    (last,) = re.findall("^RuntimeError: .*$", without.stdout + without.stderr, re.MULTILINE)
    assert without.returncode != 0 and f"`{last}`" in TABLE
    assert home.returncode == 0, home.stderr
    assert "User: uid12345" in home.stdout + home.stderr
