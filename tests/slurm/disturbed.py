"""A run whose training is disturbed on the cluster, and the same run without a disturbance."""

import shutil

import pandas as pd
import torch
import yaml
from on_cluster import FEWER, ClusterRun
from safetensors.torch import load_file
from workspace import SMOKE, Workspace

TRAINING = "models/separate/small/clean/0"
SCORES = "scores/scores.csv"
DEVICE = ("--config", "machine={device: cpu, save_seconds: 1}")
ON_CPU_NODES = {'gpu_partition = "gpu"': 'gpu_partition = "cpu"'}


class Undisturbed(Workspace):
    """A run without a cluster, up to a target."""

    def __init__(self, folder, epochs, target="all"):
        super().__init__(folder)
        settings = {"training": {"epochs": epochs, "stop_patience": epochs}}
        change = {"separators": FEWER["separators"] | {"small": settings}}
        (folder / "longer.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
        self.config = (SMOKE, folder / "longer.yaml")
        self.succeed(target, *DEVICE, config=self.config)


class Disturbed(ClusterRun):
    """The same run on the cluster, started with one training and the jobs after it still to do."""

    def __init__(self, whole, folder, changes):
        shutil.copytree(whole.folder, folder, dirs_exist_ok=True)
        super().__init__(folder, ON_CPU_NODES | changes)
        self.whole = whole
        for done in (TRAINING, "report"):
            shutil.rmtree(self / done)

    def again(self):
        """Start the command, and return at once."""
        self.start(*DEVICE, config=self.whole.config)

    def begin(self):
        """Start, wait until the training has saved a state, and return this state."""
        self.again()
        state = self / TRAINING / "state/last.ckpt"
        self.wait(state.exists)
        return state

    def ends_well(self, *tables):
        """The command succeeds; weights, curve and `tables` equal those of the undisturbed run."""
        done = self.finish()
        assert done.returncode == 0, done.stdout
        assert self.jobs(*DEVICE, config=self.whole.config) == {}
        weights = [load_file(w / TRAINING / "model.safetensors") for w in (self, self.whole)]
        torch.testing.assert_close(*weights, rtol=0, atol=1e-6)
        for table in (f"{TRAINING}/history.csv", *tables):
            ours, theirs = (pd.read_csv(w / table) for w in (self, self.whole))
            pd.testing.assert_frame_equal(
                ours.drop(columns="seconds", errors="ignore"),
                theirs.drop(columns="seconds", errors="ignore"),
                atol=1e-5,
            )
        assert "SI-SDRi" in (self / "report/index.html").read_text(encoding="utf-8")

    @property
    def log(self):
        path = self / "logs/training/separate_small_clean_0.log"
        return path.read_text(encoding="utf-8")
