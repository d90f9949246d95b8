"""Files that a run leaves beside its results, for the report."""

import json


def test_a_run_records_its_provenance(finished):
    facts = json.loads((finished / "logs/run.json").read_text(encoding="utf-8"))
    assert facts["command"].startswith("snakemake ") and "--cores 2" in facts["command"]
    assert facts["jobs"]["apply"] == 9 + 4 and facts["pending"] == sum(facts["jobs"].values())
    assert ["train_denoiser", "apply"] in facts["edges"]
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    assert facts["machine"]["cpu"] in page


def test_every_rule_has_a_folder_of_benchmarks(finished):
    facts = json.loads((finished / "logs/run.json").read_text(encoding="utf-8"))
    folders = {path.name for path in (finished / "benchmarks").iterdir()}
    assert folders == facts["jobs"].keys() - {"all"}


def test_trainings_keep_early_and_late_audio(finished):
    kept = {path.name for path in (finished / "models/separate/small/clean/0/samples").iterdir()}
    kinds = [f"{kind}_{k}.flac" for kind in ("reference", "first", "best") for k in (1, 2, 3)]
    assert kept == {"mixture.flac", *kinds}
    assert "speaker 3, best epoch" in (finished / "report/index.html").read_text(encoding="utf-8")
