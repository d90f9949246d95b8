import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.jobs import cause_of
from pipeline.receipts import close_receipt, open_receipt
from pipeline.recovery import is_dry_run, is_full, recover, watch_disk

FOLDER, LOGS, TABLE = Path(".snakemake"), Path("results/logs"), Path("results/table.csv")
LOCK = FOLDER / "locks/0.output.lock"
# A run of another process, which then is killed or waits.
RUN = """
import sys, time
from pathlib import Path
from pipeline.recovery import unlock
unlock(Path(".snakemake/locks"), Path(".snakemake/runs"))
print(flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a damaged table."""
    monkeypatch.chdir(tmp_path)
    receipt = open_receipt(LOGS / "job.log", ["plan.csv"], [str(TABLE)])
    TABLE.write_text("a,b")
    close_receipt(receipt)
    TABLE.write_text("a")


@pytest.fixture
def other(tmp_path):
    """Start another run in the folder, as `snakemake`, and lock the folder."""
    started = []

    def start():
        script = tmp_path / "snakemake"
        script.write_text(RUN)
        started.append(subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE))
        started[-1].stdout.readline()
        LOCK.parent.mkdir(exist_ok=True)
        LOCK.write_text(str(TABLE))
        return started[-1]

    yield start
    for process in started:
        kill(process)


def kill(run):
    run.kill()
    run.wait()


def said(dry=False):
    return list(recover(FOLDER, LOGS, dry))


DAMAGED = f"{TABLE}: 1 of 3 bytes are there; is removed, and made again where it is needed"


def test_what_is_damaged_is_removed():
    assert said() == [DAMAGED]
    assert not TABLE.exists()
    assert said() == []


def test_a_dry_run_only_says_it(other):
    assert said(dry=True) == [DAMAGED.replace("is removed", "would be removed")]
    assert TABLE.exists() and not FOLDER.exists()


def test_the_lock_of_a_killed_run_is_removed(other):
    kill(other())
    [unlocked, damaged] = said()
    assert unlocked == f"{Path.cwd()}: the run before was killed; its lock is removed"
    assert damaged == DAMAGED
    assert not LOCK.exists()


def test_a_dry_run_leaves_the_lock(other):
    kill(other())
    assert said(dry=True) == []
    assert LOCK.exists() and TABLE.exists()


def test_beside_a_run_that_goes_on_nothing_is_touched(other):
    other()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_beside_a_killed_run_another_may_go_on(other):
    kill(other())
    other()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


@pytest.mark.parametrize("noted", [False, True])
def test_the_lock_of_nobody_known_here_is_left(noted):
    LOCK.parent.mkdir(parents=True)
    LOCK.write_text(str(TABLE))
    if noted:
        (FOLDER / "runs").mkdir()
        (FOLDER / f"runs/another.{socket.gethostname()}.1.1").touch()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_a_killed_run_had_the_number_of_this_process():
    LOCK.parent.mkdir(parents=True)
    LOCK.write_text(str(TABLE))
    (FOLDER / "runs").mkdir()
    (FOLDER / f"runs/{socket.gethostname()}.{os.getpid()}.1").touch()
    assert len(said()) == 2


def test_a_run_that_ends_takes_its_note_back(tmp_path):
    script = tmp_path / "snakemake"
    script.write_text(RUN.replace("time.sleep(60)", "import os; os.chdir('/')"))
    subprocess.run([sys.executable, str(script)], check=True, stdout=subprocess.DEVNULL)
    assert list((FOLDER / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "arguments, dry",
    [
        ("-n", True),
        ("--cores 2 -np", True),
        ("--dry-run", True),
        ("--dryrun", True),
        ("-c2 --nolock", False),
        ("-Rrender", False),
        ("--unlock", False),
    ],
)
def test_dry_runs_are_known(arguments, dry):
    assert is_dry_run(arguments.split()) == dry


def test_a_full_disk_is_refused():
    full = Path("/proc")  # has no room for anybody's files
    assert is_full(full) and not is_full(Path.cwd())
    with pytest.raises(OSError) as caught:
        watch_disk(full)
    assert cause_of(caught.value) == "/proc: the disk is full; free some space, run again"
