"""`make mutants`: its list fits the code, an undetected fault is reported; and its short form."""

import subprocess
import sys

import mutants
import pytest
from mutants import Tried, changed, judge, spread
from mutations import MUTANTS, Mutant
from workspace import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.file)
def test_every_mutant_fits_the_code(mutant):
    text = changed(mutant)
    assert text != (ROOT / mutant.file).read_text(encoding="utf-8")
    if mutant.file.endswith(".py"):
        compile(text, mutant.file, "exec")
    assert all((ROOT / test).is_file() for test in mutant.tests) and mutant.tests


def test_there_are_enough_and_all_that_went_unseen_once():
    assert len(MUTANTS) == len({(m.file, m.old, m.new) for m in MUTANTS}) >= 60
    assert sum(bool(mutant.fault) for mutant in MUTANTS) == 11


@pytest.mark.parametrize("old, times", [("no such text", 0), ("e", None)])
def test_a_text_that_does_not_stand_there_once_is_refused(old, times):
    with pytest.raises(SystemExit, match=r"/files.py: '.*' stands there \d+ times; mend"):
        changed(Mutant("pipeline/base/files.py", old, "", ()))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """`small(test)`: a repository of two lines of code, with this test for its faults."""

    def make(test):
        root = tmp_path / "repository"
        (root / "tests").mkdir(parents=True)
        (root / "doubling.py").write_text("def double(x):\n    return 2 * x\n")
        code = f"from doubling import double\ndef test_it():\n    {test}\n"
        (root / "tests/test_it.py").write_text(code)
        monkeypatch.setattr(mutants, "ROOT", root)

    return make


MUTANT = Mutant("doubling.py", "2 * x", "x**2", ("tests/test_it.py",))


@pytest.mark.parametrize("value, seen", [(2, None), (3, "FAILED tests/test_it.py::test_it")])
def test_a_mutant_is_tried_in_a_copy_which_is_then_as_before(small, value, seen):
    small(f"assert double({value}) == {2 * value}")
    with mutants.copies(1) as free:
        assert mutants.run(free, MUTANT.tests, MUTANT) == seen
        assert mutants.run(free, MUTANT.tests) is None
    assert (mutants.ROOT / "doubling.py").read_text().count("2 * x") == 1


@pytest.mark.parametrize(
    "fault, survivors, code", [("", 1, 0), ("", 2, 1), ("it was seen by nobody", 1, 1)]
)
def test_the_score_decides(capsys, fault, survivors, code):
    dead = [Tried(MUTANT, "FAILED a", 1.0)] * (10 - survivors)
    alive = [Tried(Mutant("doubling.py", "a | b", "c", ("t.py",), fault), None, 1.0)] * survivors
    assert judge([*dead, *alive], 90.0) == code
    printed = capsys.readouterr().out
    assert printed.count(f"| doubling.py | `{fault or 'a | b -> c'}` | t.py |") == survivors
    assert "in 2 minutes" in printed


def test_a_sample_is_spread_over_the_list():
    assert spread(MUTANTS, 2) == [MUTANTS[0], MUTANTS[len(MUTANTS) // 2]]
    assert spread(MUTANTS, 10**6) == MUTANTS


@pytest.mark.slow
def test_a_few_mutants_are_seen():
    command = [sys.executable, ROOT / "tests/mutants.py", "--only", "pipeline/audio/files.py"]
    done = subprocess.run([*command, "--sample", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "SURVIVED" not in done.stdout and done.stdout.count("FAILED tests/audio/test_audio.py") == 2
    )
