"""The DAG itself: a whole small run, and which jobs run again after it."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from safetensors import safe_open
from workspace import ROOT, SMOKE, Workspace

from pipeline.tasks.grammar import SYSTEM

SYSTEMS = 9  # 3 trained separators, each on clean, noisy and denoised mixtures


def test_a_whole_run_ends_in_a_report(finished):
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    answer = json.loads((finished / "scores/answer.json").read_text(encoding="utf-8"))
    assert answer["sentences"]
    scores = pd.read_csv(finished / "scores/scores.csv")
    separated = scores[(scores["task"] == "separate") & (scores["name"] != "mixture")]
    systems = separated.groupby(SYSTEM)["mixture_id"]
    assert systems.ngroups == SYSTEMS and systems.nunique().eq(4).all()
    assert "SI-SDRi" in page
    assert all(
        (finished / f"report.{suffix}").stat().st_size > 10_000 for suffix in ("zip", "html")
    )


def test_every_job_stays_below_two_gigabytes(finished):
    tables = [pd.read_csv(p, sep="\t") for p in (finished / "benchmarks").rglob("*.tsv")]
    peaks = pd.to_numeric(pd.concat(tables)["max_rss"], errors="coerce")
    assert len(peaks) > 30
    assert peaks.max() < 2048  # MB


def test_latency_is_measured_for_every_system(finished):
    summary = pd.read_csv(finished / "estimates/latency_summary.csv")
    assert len(summary) == SYSTEMS + 1
    assert (summary["files"] == 4).all()
    assert (summary["p50_ms"] > 0).all()


def test_throughput_is_that_of_every_run(finished):
    table = pd.read_csv(finished / "estimates/throughput.csv")
    assert table["split"].value_counts().to_dict() == {"test": SYSTEMS + 1, "train": 1, "dev": 1}
    assert table["busy_share"].between(0, 1, inclusive="neither").all()
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    assert all(f">{value:.1f}<" in page for value in table["hours_per_hour"])


def test_snakemakes_own_report_carries_the_figures(finished, tmp_path):
    target = tmp_path / "report.zip"
    finished.copy(tmp_path / "copy").succeed("--report", str(target))
    assert target.stat().st_size > 10_000


def test_a_finished_run_does_nothing_again(finished):
    assert finished.jobs() == {}


def test_a_changed_template_makes_the_report_again_and_nothing_else(finished, tmp_path):
    code = tmp_path / "code"
    unwanted = shutil.ignore_patterns(".*", "results", "shared")
    shutil.copytree(ROOT, code, ignore=unwanted, symlinks=True)
    run = Workspace(finished.copy(tmp_path / "run").folder, code / "Snakefile")
    run.succeed()
    assert run.jobs() == {}
    template = code / "pipeline/report/templates/page.html"
    template.write_text(template.read_text().replace("<main>", '<main class="other">'))
    assert run.jobs() == {"report": 1}


def test_more_test_mixtures_train_nothing_again(finished):
    jobs = finished.jobs("--config", "mixtures={counts: {train: 12, dev: 2, test: 6}}")
    assert jobs["draw_plan"] == 1 and jobs["render"] == 1
    assert not {"train", "train_denoiser"} & jobs.keys()


def test_another_number_of_speakers_converts_nothing_again(finished):
    jobs = finished.jobs("--config", "mixtures={num_speakers: 2}")
    assert jobs["draw_plan"] == 3 and not {"scan_corpora", "convert"} & jobs.keys()


def test_a_changed_separator_reruns_its_own_branch_only(finished, tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"separators": {"small": {"arguments": {"X": 3}}}}))
    assert finished.jobs(config=(SMOKE, change)) == {
        "train": 1,
        "apply": 3,
        "gather_estimates": 3,
        "score": 3,
        "collect_latency": 1,
        "aggregate": 1,
        "report": 1,
    }


def test_a_new_denoiser_does_not_affect_the_others(finished, tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"denoisers": {"second": {"model": "conv_tasnet"}}}))
    jobs = finished.jobs(config=(SMOKE, change))
    assert jobs["train_denoiser"] == 1
    assert "train" not in jobs
    # It denoises the test split alone, since no model is trained on its output, and clean mixtures;
    # and the three separators are tested on one more condition.
    assert jobs["apply"] == 2 + 3
    assert "render" not in jobs
    assert "demo_corpus" not in jobs


def test_more_repeats_train_the_new_runs_alone(finished):
    jobs = finished.jobs("--config", "training={repeats: 2}")
    assert (jobs["train_denoiser"], jobs["train"]) == (1, 3)
    # Train, dev, test and its clean mixtures are denoised by the new denoiser.
    assert jobs["apply"] == 4 + SYSTEMS
    assert jobs["score"] == 2 + SYSTEMS
    assert not {"render", "convert", "draw_plan"} & jobs.keys()


def test_machine_settings_train_nothing_again(finished):
    jobs = finished.jobs("--config", "machine={threads: 2, save_seconds: 5}")
    assert set(jobs) <= {"report"}


def test_timed_jobs_do_not_depend_on_the_batch_size(finished):
    jobs = finished.jobs("--config", "inference={batch_size: 2}")
    assert jobs["train"] == 1
    # Train, dev and clean mixtures are denoised; one separator's systems.
    assert jobs["apply"] == 3 + SYSTEMS // 3


def test_changed_levels_mix_and_train_again_but_keep_the_corpus(finished):
    jobs = finished.jobs("--config", "mixtures={noise_snr: [0, 3]}")
    assert jobs["draw_plan"] == 3
    assert jobs["train_denoiser"] == 1
    assert "convert" not in jobs
    assert "demo_corpus" not in jobs


@pytest.mark.parametrize(
    "change",
    [
        "mixtures={noise_lufs: [-40, -30]}",  # noise_rule is wham
        "mixtures={librimix: {metadata: none}}",  # kind is drawn
        "training={speech_speed: [1, 1]}",  # data is rendered
    ],
)
def test_a_key_that_nothing_looks_at_makes_nothing_again(finished, change):
    assert set(finished.jobs("--config", change)) == {"report"}  # this value shows all keys


def test_speeds_of_noise_affect_only_the_train_split(finished):
    jobs = finished.jobs("mixtures", "--config", "mixtures={noise_speeds: [0.8, 1]}")
    assert jobs["draw_plan"] == jobs["render"] == jobs["gather_mixtures"] == 1


def test_librimix_instead_of_drawn_makes_mixtures_and_models_again(finished, tmp_path):
    subsets = {"train": ["a"], "dev": ["b"], "test": ["c"]}
    for [name] in subsets.values():
        (tmp_path / f"libri3mix_{name}.csv").touch()
    change = tmp_path / "change.yaml"
    librimix = {"metadata": str(tmp_path), "subsets": subsets}
    change.write_text(yaml.safe_dump({"mixtures": {"kind": "librimix", "librimix": librimix}}))
    jobs = finished.jobs(config=(SMOKE, change))
    assert jobs["read_plan"] == jobs["render"] == jobs["gather_mixtures"] == 3
    assert jobs["train_denoiser"] == 1 and jobs["train"] == 3
    assert not {"convert", "scan_corpora", "draw_plan"} & set(jobs)


@pytest.mark.parametrize("preset", ["mini", "libri3mix"])
def test_presets_dry_run(workspace, preset):
    config = ROOT / f"workflow/presets/{preset}.yaml"
    assert "train_denoiser" in workspace.succeed("-n", config=(config,))


@pytest.mark.parametrize("target", ["corpora", "mixtures", "denoisers", "separators", "report"])
def test_targets(workspace, target):
    assert "This was a dry-run" in workspace.succeed(target, "-n")


@pytest.mark.parametrize("profile", ["workstation", "slurm"])
def test_profiles_dry_run(workspace, profile):
    folder = ROOT / f"workflow/profiles/{profile}"
    assert "train_denoiser" in workspace.succeed("-n", "--workflow-profile", str(folder))


def test_weights_describe_themselves(finished):
    path = finished / "models/separate/conv_tasnet/noisy/0/model.safetensors"
    with safe_open(str(path), "pt") as file:
        card = json.loads(file.metadata()["card"])
    assert card["model"] == "conv_tasnet"
    assert card["num_sources"] == 3
    assert card["training"]["condition"] == "noisy"
