"""Results of one configuration are not taken for those of another."""

import shutil

import pandas as pd
from workspace import Workspace

TARGET = ("results/mixtures/test/mixtures.csv", "--config", "mixtures={noise_snr: [5, 6]}")


def test_a_job_that_fails_at_its_very_end_leaves_nothing_old_to_be_used(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    benchmark = run / "benchmarks/draw_plan/test.tsv"
    benchmark.unlink()
    benchmark.mkdir()  # what Snakemake writes once the job has ended
    done = run.run(*TARGET)
    assert done.returncode != 0 and not (run / "mixtures/plan/test/1-of-1.csv").exists()
    benchmark.rmdir()
    assert "made of what is to be made again; is removed" in run.succeed(*TARGET)
    asked = pd.read_csv(run / "mixtures/test/mixtures.csv")["noise_snr"]
    assert asked.between(5 - 0.01, 6 + 0.01).all()


def test_results_that_were_moved_alone_are_of_the_configuration_that_made_them(finished, tmp_path):
    run = Workspace(tmp_path / "elsewhere" / "run")
    run.folder.mkdir(parents=True)
    shutil.copytree(finished / "", run / "", symlinks=True)
    # LibriMix's own tables hold absolute paths; nothing else depends on where a run lies.
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
