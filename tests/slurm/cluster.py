"""A SLURM cluster on this machine for the duration of a test: 3 CPU nodes and a GPU node.

All nodes are this machine; the two GPUs are names without a device. Needs root and Debian's
packages slurm-wlm and munge, with accounting also slurmdbd and mariadb-server.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(tempfile.gettempdir(), "slurm-trial")
CONFIG = Path("/etc/slurm/slurm.conf")  # jobs look for it only here
NODES = ["c1", "c2", "c3", "g1"]
ACCOUNT = "trial"
DAEMONS = {"munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd"}

SLURM = f"""
ClusterName=trial
SlurmctldHost={{host}}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=26917
SlurmctldPidFile={ROOT}/slurmctld.pid
SlurmctldLogFile={ROOT}/slurmctld.log
SlurmdPidFile={ROOT}/%n.pid
SlurmdLogFile={ROOT}/%n.log
SlurmdSpoolDir={ROOT}/spool/%n
StateSaveLocation={ROOT}/state
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
KillWait=10
ReturnToService=2
SlurmdTimeout=15
GresTypes=gpu
{{accounting}}
NodeName=DEFAULT CPUs=4 RealMemory=64000
NodeName=c[1-3] NodeHostname={{host}} NodeAddr=127.0.0.1 Port=[27201-27203]
NodeName=g1 NodeHostname={{host}} NodeAddr=127.0.0.1 Port=27204 Gres=gpu:2
PartitionName=cpu Nodes=c[1-3] Default=YES MaxTime=INFINITE
PartitionName=gpu Nodes=g1 MaxTime=INFINITE
"""
GPUS = "AutoDetect=off\nNodeName=g1 Name=gpu File=/dev/null\nNodeName=g1 Name=gpu File=/dev/zero\n"
WITHOUT_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=26919
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
AccountingStorageEnforce=associations,limits
"""
SLURMDBD = f"""
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=26919
SlurmUser=root
PidFile={ROOT}/slurmdbd.pid
LogFile={ROOT}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=26920
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
DATABASE = """
CREATE DATABASE slurm;
CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';
CREATE USER slurm@localhost IDENTIFIED BY 'slurm';
GRANT ALL ON slurm.* TO slurm@'127.0.0.1';
GRANT ALL ON slurm.* TO slurm@localhost;
"""


def missing(accounting: bool = False) -> str | None:
    """The reason why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "a SLURM cluster is started by root only"
    programs = ["munged", "slurmctld", "slurmd", "srun"]
    programs += ["slurmdbd", "mariadbd"] if accounting else []
    absent = [name for name in programs if not shutil.which(name)]
    if absent:
        return f"SLURM is not installed ({', '.join(absent)}): make test-slurm does it"
    if CONFIG.exists() and CONFIG.resolve().parent != ROOT.resolve():
        return f"this machine has a SLURM of its own: {CONFIG}"
    return None


class Cluster:
    """The cluster: start, observe, disturb and stop it."""

    def __init__(self, accounting: bool) -> None:
        self.accounting = accounting

    def start(self) -> None:
        """Start all daemons anew and wait for the nodes."""
        self.stop()
        for folder in ("state", "munge", *(f"spool/{node}" for node in NODES)):
            Path(ROOT, folder).mkdir(parents=True)
        self._configure()
        self._authenticate()
        if self.accounting:
            self._account()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), 60)

    def stop(self) -> None:
        """Cancel the jobs, stop the daemons and leave nothing behind."""
        if daemon("slurmctld"):
            run("scancel", "--user=root")
            wait_until(lambda: not run("squeue", "--noheader"), 60)
        for name in [*NODES, "slurmctld", "slurmdbd", "mariadbd", "munged"]:
            stop_daemon(name)
        if CONFIG.is_symlink():
            CONFIG.unlink()
        shutil.rmtree(ROOT, ignore_errors=True)

    def start_controller(self) -> None:
        run("slurmctld")
        wait_until(lambda: succeeds("scontrol", "ping"), 30)

    def restart_controller(self, after: float) -> None:
        """Stop the controller of the cluster for some seconds."""
        stop_daemon("slurmctld")
        time.sleep(after)
        self.start_controller()

    def start_node(self, node: str) -> None:
        """Start a node, also one that broke."""
        run("slurmd", "-N", node)
        wait_until(lambda: self.states()[node] in ("idle", "down", "mix"), 30)
        if self.states()[node] == "down":
            run("scontrol", "update", f"nodename={node}", "state=resume")
            wait_until(lambda: self.states()[node] == "idle", 60)

    def cancel(self, jobs: str) -> None:
        """Cancel a job by its number, or several by an option of `scancel`."""
        run("scancel", jobs)

    def end_limit(self, job: str) -> None:
        """End the time limit of the job, not in the past; SLURM checks it twice a minute."""
        run("scontrol", "update", f"jobid={job}", "endtime=now+2")

    def break_node(self, node: str) -> None:
        """Remove the node with all its processes, and tell the controller so."""
        jobs = [job["JobId"] for job in self.jobs() if job.get("NodeList") == node]
        stop_daemon(node, signal.SIGKILL)
        for process in [process for job in jobs for process in steps(job)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        run("scontrol", "update", f"nodename={node}", "state=down", "reason=broken")

    def states(self) -> dict[str, str]:
        """The state of each node."""
        lines = run("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines()
        return dict(line.split() for line in lines)

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        """SLURM's records of all jobs, or those of one rule, in order of submission."""
        lines = run("scontrol", "show", "job", "--oneliner").splitlines()
        pairs = ([f.split("=", 1) for f in line.split() if "=" in f] for line in lines)
        jobs = sorted((dict(fields) for fields in pairs if fields), key=lambda j: int(j["JobId"]))
        return [job for job in jobs if f"rule_{rule}" in job["Comment"]]

    def _configure(self) -> None:
        host = run("hostname", "-s").strip()
        accounting = WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING
        config = SLURM.format(host=host, accounting=accounting)
        Path(ROOT, "slurm.conf").write_text(config, encoding="utf-8")
        Path(ROOT, "gres.conf").write_text(GPUS, encoding="utf-8")
        CONFIG.parent.mkdir(exist_ok=True)
        CONFIG.symlink_to(ROOT / "slurm.conf")

    def _authenticate(self) -> None:
        if succeeds("munge", "--no-input"):
            return  # the machine has its own
        key = ROOT / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        Path("/run/munge").mkdir(exist_ok=True)
        for folder in (ROOT / "munge", Path("/run/munge")):
            folder.chmod(0o755)
        files = {"key": key, "log": ROOT / "munged.log", "pid": ROOT / "munged.pid"}
        files["seed"] = ROOT / "munge/seed"
        run("munged", "--force", *(f"--{name}-file={path}" for name, path in files.items()))

    def _account(self) -> None:
        """Start the database and its daemon; jobs need the account."""
        data, socket = ROOT / "database", ROOT / "mariadb.sock"
        data.mkdir()
        shutil.chown(ROOT, "mysql")
        shutil.chown(data, "mysql")
        where = ("--no-defaults", "--user=mysql", f"--datadir={data}")
        run("mariadb-install-db", *where, "--auth-root-authentication-method=socket")
        options = (f"--socket={socket}", "--port=26920", "--bind-address=127.0.0.1")
        with Path(ROOT, "mariadbd.log").open("w") as log:
            server = subprocess.Popen(
                ["mariadbd", *where, *options], stdout=log, stderr=log, start_new_session=True
            )
        Path(ROOT, "mariadbd.pid").write_text(str(server.pid))
        wait_until(socket.exists, 60)
        run("mariadb", "--no-defaults", f"--socket={socket}", f"--execute={DATABASE}")
        config = ROOT / "slurmdbd.conf"
        config.write_text(SLURMDBD, encoding="utf-8")
        config.chmod(0o600)
        run("slurmdbd")
        wait_until(lambda: succeeds("sacctmgr", "--noheader", "list", "cluster"), 60)
        add = ("sacctmgr", "--immediate", "add")
        run(*add, "cluster", "trial")
        run(*add, "account", ACCOUNT, "cluster=trial")
        run(*add, "user", "root", f"account={ACCOUNT}", "cluster=trial")


def run(*command: str) -> str:
    """Run a command and return its output."""
    environment = os.environ | {"SLURM_CONF": str(ROOT / "slurm.conf")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def wait_until(ready: Callable[[], object], seconds: float) -> None:
    """Wait until `ready()`, and fail if it takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.25)


def daemon(name: str) -> psutil.Process | None:
    """The running daemon that wrote `<name>.pid`."""
    path = ROOT / f"{name}.pid"
    if not path.exists() or not path.read_text().strip():
        return None
    pid = int(path.read_text())
    running = psutil.pid_exists(pid) and psutil.Process(pid).name() in DAEMONS
    return psutil.Process(pid) if running else None


def stop_daemon(name: str, number: signal.Signals = signal.SIGTERM) -> None:
    if process := daemon(name):
        process.send_signal(number)
        process.wait(60)


def steps(job: str) -> list[psutil.Process]:
    """The processes of a job on any node, each after its parent."""
    title = re.compile(rf"slurmstepd: \[{job}\.")
    tops = [
        p
        for p in psutil.process_iter(["cmdline"])
        if title.match(" ".join(p.info["cmdline"] or []))
    ]
    return [process for top in tops for process in [top, *top.children(recursive=True)]]
