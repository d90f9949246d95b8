import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.base.disks import is_full, watch_disk
from pipeline.base.errors import PipelineError
from pipeline.base.files import write_json
from pipeline.base.jobs import cause_of, refuse_damaged
from pipeline.base.receipts import close_receipt, open_receipt, read_receipts
from pipeline.base.records import KEPT
from pipeline.base.recovery import only_asks, parsed, recover

FOLDER, LOGS, TABLE = Path(".snakemake"), Path("results/logs"), Path("results/table.csv")
LOCK = FOLDER / "locks/0.output.lock"
# A run of another process, which is then killed or waits.
RUN = """
import sys, time
from pathlib import Path
from pipeline.base.live import note_run
note_run(Path(".snakemake/runs"), LOCAL)
print(flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a damaged table."""
    monkeypatch.chdir(tmp_path)
    receipt = open_receipt(LOGS / "job.log", ["plan.csv"], [str(TABLE)], [])
    TABLE.write_text("a,b")
    close_receipt(receipt)
    TABLE.write_text("a")
    (KEPT / "metadata").mkdir(parents=True)
    (KEPT / "metadata/table").write_text("{}")


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


DAMAGED = f"{TABLE}: 1 of 3 bytes are there; is removed, and rebuilt where it is needed"


def test_damaged_files_are_removed():
    assert said() == [DAMAGED]
    assert not TABLE.exists()
    assert said() == []


def test_a_dry_run_only_says_it(other):
    assert said("-n") == [DAMAGED.replace("is removed", "would be removed")]
    assert TABLE.exists() and not (FOLDER / "runs").exists()


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


def test_beside_a_live_run_nothing_is_changed(other):
    other()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_a_live_run_that_is_not_called_snakemake_counts_too(other):
    other(name="cover.py")
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_beside_a_run_without_a_lock_nothing_is_touched(other):
    run = other()
    LOCK.unlink()
    [line] = said()
    assert line.endswith(
        "another run may go on here, so nothing is mended; if none does, remove this file and run"
        " again"
    )
    assert TABLE.exists()
    kill(run)
    Path(line.split(": another")[0]).unlink()  # as the line says
    assert said() == [DAMAGED]


def test_jobs_of_a_cluster_outlive_their_run_until_somebody_unlocks(other):
    kill(other(local=False))
    assert said() == [] and said(local=False) == []
    assert LOCK.exists() and TABLE.exists()
    said("--unlock")
    assert TABLE.exists() and LOCK.exists()  # which Snakemake removes
    LOCK.unlink()
    assert said() == [DAMAGED]


def test_beside_a_killed_run_another_may_continue(other):
    kill(other())
    other()
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


@pytest.mark.parametrize("noted", [None, {}, {"host": "another"}])
def test_a_lock_without_a_known_run_is_kept(noted):
    LOCK.parent.mkdir(parents=True)
    LOCK.write_text(str(TABLE))
    if noted is not None:
        write_json(FOLDER / "runs/another:1:1", noted)
    assert said() == []
    assert LOCK.exists() and TABLE.exists()


def test_a_run_removes_its_record_when_it_ends(tmp_path):
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
        ("-c2 -pn", True),
        ("-qn", False),  # quiet about the rule called n
        ("--dry-run", True),
        ("--dryrun", True),
        ("--executor dryrun", True),
        ("-e dryrun", True),
        ("--report r.zip", True),
        ("--report=r.zip", True),
        ("--list-rules", True),
        ("--unlock", True),
        ("--summary", True),
        ("-S", True),
        ("-t -c1", True),
        ("-c2 --nolock --printshellcmds", False),
        ("-R render --rerun-incomplete --cores 2", False),
        ("all --config seed=1 --configfile c.yaml --directory d", False),
        ("-d/tmp/run -c2", False),
        ("-Rtrain_denoiser -c2", False),
        ("-c2 dryrun", False),  # a target
        ("--not-an-option-of-snakemake", False),
    ],
)
def test_command_lines_that_run_nothing_are_known(arguments, asks, capsys):
    assert only_asks(parsed(arguments.split())) == asks
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_is_refused():
    full = Path("/proc")  # has no space for any user's files
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


def test_files_behind_a_link_elsewhere_are_named_and_kept(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path("results/mixtures").symlink_to(elsewhere)
    receipt = open_receipt(LOGS / "other.log", [], ["results/mixtures/plan.csv"], [])
    (elsewhere / "plan.csv").write_text("a,b")
    close_receipt(receipt)
    (elsewhere / "plan.csv").write_text("a")
    with pytest.raises(PipelineError) as error:
        said()
    assert str(error.value) == (
        "results/mixtures/plan.csv: must be rebuilt, but is outside the results folder, behind a"
        " link; remove it and run again"
    )
    assert (elsewhere / "plan.csv").exists() and TABLE.exists()  # no part of the work is done
    assert len(said("-n")) == 2
    (elsewhere / "plan.csv").unlink()
    assert said() == [DAMAGED]


def test_an_output_that_cannot_be_removed_stops_a_run(monkeypatch):
    said("-n")
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: refuse(path))
    with pytest.raises(PermissionError):
        said()


def refuse(path):
    raise PermissionError(13, "Permission denied", str(path))


def test_links_to_removed_results_do_not_stay(other):
    said()
    kill(other(local=False))
    shutil.rmtree("results")
    said("--unlock")
    assert not (FOLDER / "metadata").is_symlink()


def test_a_results_link_that_leads_nowhere_is_refused(tmp_path):
    shutil.rmtree("results")
    Path("results").symlink_to(tmp_path / "not-mounted")
    with pytest.raises(PipelineError, match="is a link that leads nowhere; mount what it leads to"):
        said()
    Path("results").unlink()
    assert said() == []


def test_records_are_kept_in_the_results():
    said()
    assert (FOLDER / "metadata/table").read_text() == "{}"
    (FOLDER / "incomplete/job").write_text("{}")
    assert (KEPT / "incomplete/job").exists()


def test_records_of_an_earlier_version_move_into_the_results():
    shutil.rmtree(KEPT)
    for kind in ("metadata", "incomplete"):
        (FOLDER / kind / "@long").mkdir(parents=True)
        (FOLDER / kind / "@long/name").write_text(kind)
    said()
    assert (KEPT / "metadata/@long/name").read_text() == "metadata"
    assert (FOLDER / "metadata").is_symlink() and (FOLDER / "incomplete").is_symlink()


def test_the_younger_of_two_records_stays():
    for k, folder in enumerate((FOLDER / "metadata", KEPT / "metadata")):
        folder.mkdir(parents=True, exist_ok=True)
        for name, age in {"one": k, "two": 1 - k}.items():
            (folder / name).write_text(f"{name} {age}")
            os.utime(folder / name, (100 - age, 100 - age))
    said()
    assert [(KEPT / "metadata" / name).read_text() for name in ("one", "two")] == ["one 0", "two 0"]


def test_a_copied_folder_has_records_of_its_own(tmp_path):
    said()
    shutil.copytree(Path.cwd() / "results", tmp_path / "copy/results", symlinks=True)
    shutil.copytree(Path.cwd() / ".snakemake", tmp_path / "copy/.snakemake", symlinks=True)
    (KEPT / "metadata/table").write_text("changed")
    os.chdir(tmp_path / "copy")
    said()
    assert (FOLDER / "metadata/table").read_text() == "{}"


@pytest.mark.parametrize("link", [False, True])
def test_results_without_records_are_refused(link):
    TABLE.write_text("a,b")
    if link:
        said()
    shutil.rmtree(KEPT)
    with pytest.raises(PipelineError, match=r"^results/: the records of what made it are gone"):
        said()
    with pytest.raises(PipelineError, match="copy the folder whole, or move it away"):
        said("-n")
    Path("results").rename("away")
    assert said() == []


def test_results_whose_folder_is_copied_whole_are_taken(tmp_path):
    TABLE.write_text("a,b")
    shutil.copytree("results", tmp_path / "copy/results", ignore=lambda *_: [".snakemake"])
    here = Path.cwd()
    os.chdir(tmp_path / "copy")
    with pytest.raises(PipelineError, match="copy the folder whole, or move it away and run again"):
        said()
    shutil.rmtree("results")
    shutil.copytree(here / "results", "results")
    assert said() == []
    assert (FOLDER / "metadata/table").read_text() == "{}"


def test_a_damaged_input_is_made_again_by_the_same_command():
    with pytest.raises(PipelineError) as error:
        refuse_damaged([str(TABLE)], read_receipts(LOGS))
    assert str(error.value) == f"{TABLE}: 1 of 3 bytes are there; run the same command again"
    assert said() == [DAMAGED]  # as that command starts
    receipt = open_receipt(LOGS / "job.log", ["plan.csv"], [str(TABLE)], [])
    TABLE.write_text("a,b")
    close_receipt(receipt)
    refuse_damaged([str(TABLE)], read_receipts(LOGS))


def test_a_first_job_that_failed_left_nothing_to_refuse():
    shutil.rmtree(KEPT)
    TABLE.unlink()
    assert said() == []


def test_a_database_of_records_is_the_user_s_affair():
    shutil.rmtree(KEPT)
    TABLE.write_text("a,b")
    assert said("--persistence-backend", "db") == [] and not (FOLDER / "metadata").exists()


def test_a_copy_without_times_is_said():
    TABLE.write_text("a,b")
    assert said() == []
    for receipt in read_receipts(LOGS):
        os.utime(receipt.path, (receipt.closed + 100, receipt.closed + 100))
    [line] = said()
    assert line == (
        "results: was copied without the times of its files, so that finished work is done again;"
        " stop, and copy it again with cp -a, to avoid that"
    )
    for receipt in read_receipts(LOGS):
        os.utime(receipt.path, (receipt.closed, receipt.closed))  # as after cp -a
    assert said() == []


def test_outputs_of_the_future_are_set_back_in_their_order(tmp_path):
    TABLE.unlink()
    names = ["results/plan.csv", "results/shard", "results/table.csv"]
    for k, name in enumerate(names):
        receipt = open_receipt(LOGS / f"{k}.log", names[:k][-1:], [name], read_receipts(LOGS))
        path = Path(name)
        if path.suffix:
            path.write_text("a,b")
        else:
            path.mkdir()
            (path / ".snakemake_timestamp").touch()
        close_receipt(receipt)
        for dated in (path, path / ".snakemake_timestamp"):
            if dated.exists():
                os.utime(dated, (time.time() + 86400 + 10 * k,) * 2)
    line = "results: 4 times are of the future; they"
    assert said("-n") == [f"{line} would be set back to now"]
    assert said() == [f"{line} are set back to now"]
    dated = [Path(name).stat().st_mtime for name in (*names, "results/shard/.snakemake_timestamp")]
    assert dated[2] == pytest.approx(time.time(), abs=30)
    assert dated[0] < dated[1] < dated[2] and dated[1] <= dated[3] < dated[2]
    assert said() == []
