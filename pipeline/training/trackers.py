"""Where curves and sounds of a training go besides its history: TensorBoard, MLflow, ClearML, W&B.

A tracker only watches: a training ends at the same weights with any of them, and goes on without
one whose server does not answer.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from pipeline import audio
from pipeline.training.remote import SECONDS, Remote, flat, reach
from pipeline.training.state import Saved, State

PROJECT = "denoise-then-separate"
# What ClearML would otherwise do by itself: patch packages, and look for a repository, by a
# process that may hang for minutes beside those of torch.
PATCHES: tuple[str, ...] = (
    "catboost",
    "detect_repository",
    "fastai",
    "gradio",
    "hydra",
    "joblib",
    "jsonargparse",
)
PATCHES += ("lightgbm", "matplotlib", "megengine", "pytorch", "scikit", "tensorboard", "tensorflow")
PATCHES += ("tfdefines", "xgboost")


class TensorBoard(TensorBoardLogger):
    """Curves in the state. They continue from the saved step, without what was drawn beyond it."""

    def __init__(self, state: State, saved: Saved | None, facts: Mapping[str, Any]) -> None:
        step = saved.step if saved else None
        super().__init__(state.folder, name="", version=state.tensorboard.name, purge_step=step)

    def flush(self) -> None:
        """Write what is still in memory."""
        self.experiment.flush()

    @rank_zero_only
    def show(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Add a FLAC and its spectrogram, a PNG."""
        samples, rate = audio.read(sound)
        self.experiment.add_audio(tag, torch.from_numpy(samples)[None], step, rate)
        pixels = np.asarray(Image.open(picture))
        self.experiment.add_image(f"{tag}_spectrogram", pixels, step, dataformats="HW")


class MLflow(Remote):
    """To `MLFLOW_TRACKING_URI`, by default the database results/mlflow.db."""

    title = "mlflow"

    def begin(self, number: str | None) -> str:
        """Begin a run of the experiment `PROJECT`, or continue it."""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(SECONDS))
        from mlflow import MlflowClient, MlflowException

        results, address = self.folder.parents[5], os.environ.get("MLFLOW_TRACKING_URI")
        if address:
            reach(address)
        elif "?" in str(results):
            raise ValueError(
                f"{results}: its database cannot lie in a folder with a ? in its name; rename that,"
                " or set MLFLOW_TRACKING_URI"
            )
        self.client = MlflowClient(address or f"sqlite:///{results / 'mlflow.db'}")
        if number is None:
            place = None if address else (results / "mlflow").as_uri()
            if not self.client.get_experiment_by_name(PROJECT):
                with suppress(MlflowException):  # another training has just made it
                    self.client.create_experiment(PROJECT, place)
            experiment: Any = self.client.get_experiment_by_name(PROJECT)
            made = self.client.create_run(experiment.experiment_id, run_name=self.run)
            number = str(made.info.run_id)
            for name, value in flat(self.facts).items():
                self.client.log_param(number, name, value)
        self.number = number
        return number

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of these curves."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        # A name may hold no percent sign, as those of the load of processors do.
        points = [
            Metric(name.replace("%", "percent"), value, now, step) for name, value in values.items()
        ]
        self.client.log_batch(self.number, points)

    def media(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Keep both files."""
        for file in (sound, picture):
            self.client.log_artifact(self.number, str(file), f"{tag}/{step:08d}")

    def end(self, succeeded: bool) -> None:
        """End the run."""
        self.client.set_terminated(self.number, "FINISHED" if succeeded else "FAILED")


class ClearML(Remote):
    """To the server of clearml.conf, or into a ZIP with `CLEARML_OFFLINE_MODE=1`."""

    title = "clearml"

    def begin(self, number: str | None) -> str:
        """Begin a task of the project `PROJECT`, or continue it."""
        from clearml import Task
        from clearml.backend_api import Session

        offline = Task.is_offline()
        if not offline:
            reach(Session.get_api_server_host())
        Task.set_random_seed(None)  # or it would seed all generators in the middle of a training
        self.task: Any = Task.init(
            project_name=PROJECT,
            task_name=self.run,
            # 0: steps are counted from the beginning of the training.
            continue_last_task=0 if number and not offline else False,
            reuse_last_task_id=number if number and not offline else False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=dict.fromkeys(PATCHES, False),
            auto_connect_streams=False,
            auto_resource_monitoring=False,
        )
        if offline:  # or files would wait for a server
            data = Path(self.task.get_offline_mode_folder(), "data")
            self.task.get_logger().set_default_upload_destination(data.as_uri())
        self.task.connect(flat(self.facts), name="training")
        return str(self.task.id)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of these curves."""
        for name, value in values.items():
            self.task.get_logger().report_scalar(name, name, value, step)

    def media(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Keep both files."""
        report = self.task.get_logger().report_media
        for file in (sound, picture):  # in memory, since they are sent after the files are gone
            report(
                tag, file.stem, step, stream=BytesIO(file.read_bytes()), file_extension=file.suffix
            )

    def end(self, succeeded: bool) -> None:
        """End the task, once everything is sent or written."""
        if not succeeded:
            self.task.mark_failed()
        self.task.close()


class WandB(Remote):
    """To the account of `wandb login` or `WANDB_API_KEY`, or with `WANDB_MODE=offline` a folder."""

    title = "wandb"

    def begin(self, number: str | None) -> str:
        """Begin a run of the project `PROJECT`, or continue it."""
        import wandb

        if os.environ.get("WANDB_MODE", "online") == "online":
            reach(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
        self.writer = wandb.init(
            project=PROJECT,
            name=self.run,
            id=number,
            resume="allow" if number else None,
            dir=self.folder,
            config=flat(self.facts),
            settings=wandb.Settings(console="off", init_timeout=SECONDS, silent=True),
        )
        return str(self.writer.id)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of these curves."""
        self.writer.log({**values, "trainer/global_step": step})

    def media(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Keep both files."""
        import wandb

        files = {tag: wandb.Audio(str(sound)), f"{tag}_spectrogram": wandb.Image(str(picture))}
        self.writer.log(files | {"trainer/global_step": step})

    def end(self, succeeded: bool) -> None:
        """End the run."""
        self.writer.finish(exit_code=0 if succeeded else 1)


Tracker = TensorBoard | Remote
TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    **{tracker.title: tracker for tracker in (MLflow, ClearML, WandB)},
}
