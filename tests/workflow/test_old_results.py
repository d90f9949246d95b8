"""Results of one configuration are not used for another one."""

import json
import shutil

import pandas as pd
from workspace import Workspace

TARGET = ("results/mixtures/test/mixtures.csv", "--config", "mixtures={noise_snr: [5, 6]}")


def test_a_job_that_fails_at_its_very_end_leaves_nothing_old_to_be_used(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    benchmark = run / "benchmarks/draw_plan/test.tsv"
    benchmark.unlink()
    benchmark.mkdir()  # Snakemake writes this after the job has ended
    done = run.run(*TARGET)
    assert done.returncode != 0 and not (run / "mixtures/plan/test/1-of-1.csv").exists()
    benchmark.rmdir()
    assert "made from outputs that are rebuilt; is removed" in run.succeed(*TARGET)
    asked = pd.read_csv(run / "mixtures/test/mixtures.csv")["noise_snr"]
    assert asked.between(5 - 0.01, 6 + 0.01).all()


def test_results_moved_alone_keep_their_configuration(finished, tmp_path):
    run = Workspace(tmp_path / "elsewhere" / "run")
    run.folder.mkdir(parents=True)
    shutil.copytree(finished / "", run / "", symlinks=True)
    # LibriMix's own tables have absolute paths; nothing else depends on the folder of a run.
    assert run.jobs() == {"librimix_metadata": 3}
    assert {"draw_plan", "train_denoiser"} <= run.jobs("--config", "seed=1").keys()
    run.succeed()
    metadata = (run / "mixtures/test/metadata/mixture_test_mix_both.csv").read_text()
    assert str(run.folder) in metadata and str(finished.folder) not in metadata
    assert run.jobs() == {}


def test_results_without_their_records_are_refused(finished, tmp_path):
    run = Workspace(tmp_path / "run")
    run.folder.mkdir()
    unwanted = shutil.ignore_patterns(".snakemake")
    shutil.copytree(finished / "", run / "", symlinks=True, ignore=unwanted)
    done = run.run()
    assert done.returncode != 0
    assert "error: results/: the records of what made it are gone" in done.stderr
    (run / "").rename(tmp_path / "away")
    assert run.jobs("mixtures")["draw_plan"] == 3


def in_the_old_layout(run: Workspace) -> None:
    """Put models and estimates into the folders of version 0.1, with its facts and its program."""
    roles = {"denoise": "denoiser", "separate": "separator"}
    for path in sorted((run / "models").glob("*/*/*/0")):
        task, name, trained, _ = path.parts[-4:]
        place = f"denoisers/{name}" if task == "denoise" else f"separators/{name}/{trained}"
        ended = path / "state/finished.json"
        facts = json.loads(ended.read_text())
        facts["job"]["role"] = roles[facts["job"].pop("task")]
        ended.write_text(json.dumps(facts | {"programs": [{"code": "older", "libraries": {}}]}))
        (run / "models" / place).parent.mkdir(parents=True, exist_ok=True)
        path.rename(run / "models" / place)
    for task in roles:
        shutil.rmtree(run / "models" / task)
    (run / "estimates").rename(run / "unused")
    (run / "estimates/denoised/conv_tasnet").mkdir(parents=True)
    shutil.copytree(run / "unused/separate", run / "estimates/separated")
    shutil.rmtree(run / "unused")


def test_models_of_an_earlier_version_are_moved_and_not_trained_again(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    denoiser, separator = (
        f"models/{model}/0/model.safetensors"
        for model in ("denoise/conv_tasnet/noisy", "separate/small/clean")
    )
    weights = {path: (run / path).read_bytes() for path in (denoiser, separator)}
    in_the_old_layout(run)
    (run / "models/denoisers/notes.txt").write_text("mine")
    said = run.succeed("-n", "denoisers")
    assert "results: was made by an earlier version; 4 models would be moved" in said
    assert (run / "models/denoisers/conv_tasnet").exists()  # a dry run moves nothing
    said = run.succeed(f"results/{denoiser}", f"results/{separator}")
    assert said.count("this training has ended before; its weights are taken") == 2
    assert {path: (run / path).read_bytes() for path in weights} == weights
    assert not (run / "estimates/separated").exists()
    assert (run / "models/denoisers/notes.txt").read_text() == "mine"
    assert "train_denoiser" not in run.jobs("separators")
    changed = run.jobs("separators", "--config", "training={segment_seconds: 0.9}")
    assert (changed["train_denoiser"], changed["train"]) == (1, 3)
