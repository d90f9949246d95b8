import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.jobs import cause_of
from pipeline.receipts import close_receipt, open_receipt
from pipeline.recovery import is_full, only_asks, recover, watch_disk

FOLDER, LOGS, TABLE = Path(".snakemake"), Path("results/logs"), Path("results/table.csv")
LOCK = FOLDER / "locks/0.output.lock"
# A run of another process, which then is killed or waits.
RUN = """
import sys, time
from pathlib import Path
from pipeline.recovery import note_run
note_run(Path(".snakemake/runs"), LOCAL)
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

    def start(local=True, name="snakemake"):
        script = tmp_path / name
        script.write_text(RUN.replace("LOCAL", str(local)))
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


def said(*arguments, local=True):
    return list(recover(FOLDER, LOGS, arguments, local))


DAMAGED = f"{TABLE}: 1 of 3 bytes are there; is removed, and made again where it is needed"


def test_what_is_damaged_is_removed():
    assert said() == [DAMAGED]
    assert not TABLE.exists()
    assert said() == []


def test_a_dry_run_only_says_it(other):
    assert said("-n") == [DAMAGED.replace("is removed", "would be removed")]
    assert TABLE.exists() and not FOLDER.exists()


def test_the_lock_of_a_killed_run_is_removed(other):
    kill(other())
    [unlocked, damaged] = said()
    assert unlocked == f"{Path.cwd()}: the run before was killed; its lock is removed"
    assert damaged == DAMAGED
    assert not LOCK.exists()


def test_a_dry_run_leaves_the_lock(other):
    kill(other())
    assert said("-n") == []
    assert LOCK.exists() and TABLE.exists()


def test_beside_a_run_that_goes_on_nothing_is_touched(other):
    other()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_a_run_that_is_not_called_snakemake_goes_on_too(other):
    other(name="cover.py")
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_beside_a_run_without_a_lock_nothing_is_touched(other):
    other()
    LOCK.unlink()
    assert said() == [] and TABLE.exists()


def test_jobs_of_a_cluster_outlive_their_run_until_somebody_unlocks(other):
    kill(other(local=False))
    assert said() == [] and said(local=False) == []
    assert LOCK.exists() and TABLE.exists()
    said("--unlock")
    assert TABLE.exists() and LOCK.exists()  # which Snakemake removes
    LOCK.unlink()
    assert said() == [DAMAGED]


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
        (FOLDER / f"runs/another.{socket.gethostname()}:1:1").touch()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_a_killed_run_had_the_number_of_this_process():
    LOCK.parent.mkdir(parents=True)
    LOCK.write_text(str(TABLE))
    (FOLDER / "runs").mkdir()
    (FOLDER / f"runs/{socket.gethostname()}:{os.getpid()}:1").touch()
    assert len(said()) == 2


def test_a_run_that_ends_takes_its_note_back(tmp_path):
    script = tmp_path / "snakemake"
    script.write_text(
        RUN.replace("LOCAL", "True").replace("time.sleep(60)", "import os; os.chdir('/')")
    )
    subprocess.run([sys.executable, str(script)], check=True, stdout=subprocess.DEVNULL)
    assert list((FOLDER / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "arguments, asks",
    [
        ("-n", True),
        ("--cores 2 -np", True),
        ("-nc2", True),
        ("-qn", True),
        ("--dry-run", True),
        ("--dryrun", True),
        ("--executor dryrun", True),
        ("--report r.zip", True),
        ("--list-rules", True),
        ("--unlock", True),
        ("--summary", True),
        ("-c2 --nolock --printshellcmds", False),
        ("-R render --rerun-incomplete --cores 2", False),
        ("all --config seed=1 --configfile c.yaml --directory d", False),
    ],
)
def test_command_lines_that_run_nothing_are_known(arguments, asks):
    assert only_asks(arguments.split()) == asks


def test_a_full_disk_is_refused():
    full = Path("/proc")  # has no room for anybody's files
    assert is_full(full) and not is_full(Path.cwd())
    with pytest.raises(OSError) as caught:
        watch_disk(full)
    assert cause_of(caught.value) == "/proc: the disk is full; free some space, run again"


def test_a_disk_that_can_hold_no_more_files_is_full(tmp_path):
    command = ["mount", "-t", "tmpfs", "-o", "size=32m,nr_inodes=100", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command).returncode:
        pytest.skip("no right to mount")
    try:
        assert not is_full(tmp_path)
        with pytest.raises(OSError) as caught:
            for number in range(200):
                (tmp_path / f"{number}").touch()
        assert is_full(tmp_path)
        line = "the disk is full, it can hold no more files; remove some, run again"
        assert cause_of(caught.value) == f"{tmp_path / '99'}: {line}"
        with pytest.raises(OSError, match="No space left"):
            watch_disk(tmp_path)
        for number in range(50):  # as the line says
            (tmp_path / f"{number}").unlink()
        assert not is_full(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
