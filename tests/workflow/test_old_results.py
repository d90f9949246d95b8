"""Results of one configuration are not taken for those of another."""

import os
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


def in_the_old_layout(run: Workspace) -> None:
    """Put models, estimates and receipts where the first version had them."""
    moves = {
        path: run / f"models/denoisers/{path.parts[-3]}"
        for path in (run / "models/denoise").glob("*/noisy/0")
    }
    for path in (run / "models/separate").glob("*/*/0"):
        moves[path] = run / f"models/separators/{path.parts[-3]}/{path.parts[-2]}"
    for path in (run / "estimates/denoise").glob("*/noisy/0/noisy/*"):
        moves[path] = run / f"estimates/denoised/{path.parts[-5]}/{path.name}"
        for manifest in path.rglob("estimates.csv"):
            times = manifest.stat()
            text = manifest.read_text().replace("mix_clean_path", "denoised_path")
            manifest.write_text(text.replace("mix_clean/", "denoised/"))
            os.utime(manifest, ns=(times.st_atime_ns, times.st_mtime_ns))
        for folder in path.glob("*/mix_clean"):
            folder.rename(folder.with_name("denoised"))
    for path in (run / "estimates/separate").glob("*/*/0/*/test"):
        name, trained, _, tested, _ = path.parts[-5:]
        moves[path] = run / f"estimates/separated/{name}/{trained}/{tested}"
    for new, old in moves.items():
        old.parent.mkdir(parents=True, exist_ok=True)
        new.rename(old)
    for folder in ("models/denoise", "models/separate", "estimates/denoise", "estimates/separate"):
        shutil.rmtree(run / folder)


def test_results_of_an_earlier_version_are_moved_and_nothing_is_trained_again(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    weights = {path: path.read_bytes() for path in (run / "models").rglob("model.safetensors")}
    in_the_old_layout(run)
    said = run.succeed("-n")
    assert "results: of an earlier version; 16 folders of models and estimates would be" in said
    assert (run / "models/denoisers").exists()  # a dry run only asks
    run.succeed("separators")
    assert run.jobs().keys() <= {
        *("librimix_metadata", "score", "collect_latency", "aggregate", "report")
    }
    assert {path: path.read_bytes() for path in weights} == weights
    shard = "scores/signal/denoise/conv_tasnet/noisy/0/noisy/1-of-1.csv"
    run.succeed(f"results/{shard}")
    pd.testing.assert_frame_equal(*(pd.read_csv(r / shard) for r in (run, finished)))
    assert not (run / "models/denoisers").exists()
