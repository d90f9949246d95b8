"""From a configuration to its models, systems, inputs and parameters, without Snakemake."""

import json
from dataclasses import replace
from functools import reduce
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import yaml
from workspace import ROOT, SMOKE, merge

from pipeline.config import SPLITS, load_config
from pipeline.config.extensions import LOADED
from pipeline.config.layers import choose_models
from pipeline.experiment import Experiment
from pipeline.losses import TERMS
from pipeline.models import MODELS, package, whisper
from pipeline.tasks import DENOISE, TASKS
from pipeline.tasks.grammar import NOISY, ModelKey, System

SNAPSHOTS = ROOT / "tests/experiments.json"
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
for large in ("evidence", "recipe"):  # hundreds of jobs, of kinds that others have
    PRESETS.remove(ROOT / f"workflow/presets/{large}.yaml")
CONDITION = "denoised-conv_tasnet"
DENOISER = "results/models/denoise/conv_tasnet/noisy/0/model.safetensors"
DENOISED = "results/estimates/denoise/conv_tasnet/noisy/0/noisy/{}/estimates.csv"
MIXTURES = "results/mixtures/{}/mixtures.csv"


def read(*paths):
    demo, *above = (yaml.safe_load(p.read_text("utf-8")) for p in (ROOT / "config.yaml", *paths))
    values, laid_over = reduce(merge, above, demo), reduce(merge, above, {})
    choose_models(values, demo, laid_over)
    return values


def experiment(*paths, **changes) -> Experiment:
    return Experiment(load_config(merge(read(*paths), changes)))


def wildcards(target: ModelKey | System, **others) -> SimpleNamespace:
    """The wildcards that Snakemake reads from the path of a model, or of a system."""
    columns = System(target, NOISY).columns if isinstance(target, ModelKey) else target.columns
    texts = {name: str(value) for name, value in columns.items()}
    return SimpleNamespace(**texts, **others)


def jobs(of: Experiment) -> dict:
    """Inputs and parameters of every job of training, inference and scoring, and of mixing."""
    found: dict = {"mixtures": {split: of.planning(split) for split in of.rendered}}
    found |= {"rendering": of.rendering(), "converted": of.converted, "rendered": of.rendered}
    for model in of.models:
        given = wildcards(model)
        job = of.training_job(given)
        if files := job.get("package"):  # libraries differ between systems
            job["package"] = sorted(name.partition(".")[0] for name in files)
        found[f"train {model.path}"] = of.training_inputs(given) | {"job": job}
    for folder in (*of.timed, *of.batched):
        path, _, split = folder.rpartition("/")
        given = wildcards(System.parse(path), split=split)
        found[f"apply {folder}"] = of.inference_inputs(given) | of.inference(given)
    for folder in of.scored:
        measure, path = folder.split("/", 1)
        given = wildcards(System.parse(path), measure=measure, scatteritem="1-of-1")
        found[f"score {folder}"] = of.scoring_inputs(given) | {"settings": of.measured(given)}
    for system in of.swept:
        for split in ("dev", "test"):
            given = wildcards(system, split=split)
            found[f"sweep {system.path}/{split}"] = of.sweep_inputs(given)
    return found | {"timed": of.timed, "batched": of.batched}


@pytest.mark.parametrize("path", [None, *PRESETS], ids=lambda path: path.stem if path else "demo")
def test_jobs_are_as_they_were(path):
    """To accept an intended change, run: python tests/test_experiment.py."""
    known = json.loads(SNAPSHOTS.read_text(encoding="utf-8"))
    found = json.loads(json.dumps(jobs(experiment(*filter(None, [path])))))
    assert found == known[path.stem if path else "demo"]


def test_conversations_are_planned_by_their_own_keys_and_change_no_other_plan():
    talking = {"kind": "conversation", "conversation": {"seconds": 900.0}}
    plain, talks = experiment(), experiment(mixtures=talking)
    settings = talks.planning("test")
    assert settings["kind"] == "conversation" and settings["conversation"]["seconds"] == 900
    assert not {"mode", "join_silence"} & settings.keys()
    assert plain.planning("test") == plain.drawing("test")
    assert "conversation" not in plain.planning("test")
    assert talks.rendering() == plain.rendering() | {"kind": "conversation"}
    assert talks.converted == ["speech", "noise"]


def test_tracking_decides_the_estimates_of_separators_only():
    plain, tracking = experiment(), experiment(inference={"tracking": "speakers"})
    for folder in tracking.timed:
        path, _, split = folder.rpartition("/")
        system = System.parse(path)
        given = wildcards(system, split=split)
        added = {"tracking": "speakers"} if TASKS[system.model.task].permuted else {}
        assert tracking.inference(given) == plain.inference(given) | added
        assert "tracking" not in plain.inference(given)


def test_every_separator_is_tested_on_every_condition():
    found = experiment(SMOKE).systems
    trained = [("conv_tasnet", "noisy"), ("conv_tasnet", CONDITION), ("small", "clean")]
    tested = ("clean", "noisy", CONDITION)
    expected = {"denoise/conv_tasnet/noisy/0/noisy"}
    expected |= {f"separate/{name}/{c}/0/{t}" for name, c in trained for t in tested}
    assert {system.path for system in found} == expected


AFTER = {"then_denoise": ["conv_tasnet"]}


def test_what_is_separated_from_noisy_mixtures_is_denoised_by_the_same_run():
    of = experiment(SMOKE, separators={"conv_tasnet": AFTER}, training={"repeats": 2})
    plain = experiment(SMOKE, training={"repeats": 2})
    added = [system for system in of.systems if system not in plain.systems]
    models = [f"separate/conv_tasnet/{c}/{k}" for c in ("noisy", CONDITION) for k in (0, 1)]
    assert [system.path for system in added] == [f"{m}/noisy--{CONDITION}" for m in models]
    for system in added:
        run = system.model.run
        given = of.inference_inputs(wildcards(system, split="test"))
        assert given["denoised"] == []
        assert given["weights"] == [
            f"results/models/{system.model.path}/model.safetensors",
            f"results/models/denoise/conv_tasnet/noisy/{run}/model.safetensors",
        ]
        assert f"{system.path}/test" in of.timed and f"signal/{system.path}" in of.scored
    assert of.models == plain.models and of.batched == plain.batched
    for model in of.models:  # so that nothing is trained again
        given = wildcards(model)
        assert of.training_job(given) == plain.training_job(given)
        assert of.training_inputs(given) == plain.training_inputs(given)


def test_a_denoiser_behind_a_separator_adds_its_own_share():
    of = experiment(
        SMOKE, separators={"conv_tasnet": AFTER}, denoisers={"conv_tasnet": {"dry": 0.2}}
    )
    [system, *_] = [system for system in of.systems if system.after]
    assert of.inference(wildcards(system, split="test"))["dry"] == 0.2
    before = replace(system, after="")
    assert "dry" not in of.inference(wildcards(before, split="test"))


def test_an_oracle_is_scored_like_a_separator_and_neither_trained_nor_timed():
    plain = experiment(SMOKE)
    of = experiment(SMOKE, evaluation={"oracles": ["ideal_mask"]})
    masked = "separate/ideal_mask/untrained/0/noisy"
    assert [measure for measure in of.scored if measure not in plain.scored] == [f"signal/{masked}"]
    assert (of.models, of.systems, of.timed) == (plain.models, plain.systems, plain.timed)
    given = wildcards(System.parse(masked), measure="signal", scatteritem="1-of-1")
    estimates = f"results/estimates/{masked}/test/estimates.csv"
    assert of.scoring_inputs(given)["estimates"] == [estimates]
    assert of.estimates["test"] == plain.estimates["test"] + 3


def test_a_model_is_trained_on_train_and_chosen_on_dev():
    of = experiment(SMOKE)
    for model in of.models:
        given, denoised = of.training_inputs(wildcards(model)), str(model.trained) == CONDITION
        for split in ("train", "dev"):
            assert given[split] == [MIXTURES.format(split)]
            assert given[f"denoised_{split}"] == ([DENOISED.format(split)] if denoised else [])
        assert given["front"] == []


def test_fresh_mixtures_are_drawn_from_the_corpora_and_go_through_the_denoiser():
    of = experiment(SMOKE, training={"data": "dynamic"})
    for model in of.models:
        given, denoised = of.training_inputs(wildcards(model)), str(model.trained) == CONDITION
        assert given["train"] == ["results/corpora/speech.csv", "results/corpora/noise.csv"]
        assert given["denoised_train"] == []
        assert given["denoised_dev"] == ([DENOISED.format("dev")] if denoised else [])
        assert given["front"] == ([DENOISER] if denoised else [])
        assert of.training_job(wildcards(model))["mixtures"]["counts"]["train"] == 12
    assert "train" not in of.rendered
    assert of.batched == ["denoise/conv_tasnet/noisy/0/noisy/dev"]


def test_a_system_is_given_the_mixtures_of_its_condition():
    of = experiment(SMOKE)
    for system in of.systems:
        for split in SPLITS:
            given = of.inference_inputs(wildcards(system, split=split))
            assert given["mixtures"] == [MIXTURES.format(split)]
            assert given["weights"] == [f"results/models/{system.model.path}/model.safetensors"]
            denoised = str(system.tested) == CONDITION
            assert given["denoised"] == ([DENOISED.format(split)] if denoised else [])


def test_only_the_test_split_is_timed_one_mixture_after_another():
    of = experiment(SMOKE, inference={"batch_size": 4})
    for split in SPLITS:
        given = wildcards(of.systems[0], split=split)
        assert of.is_timed(given) == (split == "test")
        assert ("batch_size" in of.inference(given)) == (split != "test")
    assert {folder.rpartition("/")[2] for folder in of.timed} == {"test"}
    batched = "denoise/conv_tasnet/noisy/0/noisy"
    assert of.batched == [f"{batched}/{split}" for split in ("train", "dev")]


def test_a_sweep_is_of_denoisers_and_of_what_is_behind_them():
    of = experiment(SMOKE, evaluation={"dry_sweep": True})
    alone, *behind = of.swept
    assert alone.path == "denoise/conv_tasnet/noisy/0/noisy"
    assert {system.path for system in behind} == {
        f"separate/{model}/0/{CONDITION}"
        for model in ("conv_tasnet/noisy", f"conv_tasnet/{CONDITION}", "small/clean")
    }
    for system in of.swept:
        given = of.sweep_inputs(wildcards(system, split="dev"))
        assert given["mixtures"] == [MIXTURES.format("dev")]
        assert given["denoised"] == [DENOISED.format("dev")]
        weights = f"results/models/{system.model.path}/model.safetensors"
        assert given["weights"] == ([] if system == alone else [weights])


def test_a_sweep_trains_and_times_nothing_more():
    plain = experiment(SMOKE, denoisers={"other": {"model": "conv_tasnet"}})
    swept = experiment(
        SMOKE, denoisers={"other": {"model": "conv_tasnet"}}, evaluation={"dry_sweep": True}
    )
    assert plain.swept == [] and plain.models == swept.models and plain.timed == swept.timed
    # A denoiser that no model is trained behind denoises the dev split, too.
    assert set(swept.batched) - set(plain.batched) == {"denoise/other/noisy/0/noisy/dev"}
    assert len(swept.batched) == len(set(swept.batched))


def test_a_dry_share_changes_the_output_of_its_denoiser_and_trains_it_not_again():
    wet, dry = (
        experiment(SMOKE, denoisers={"conv_tasnet": {"dry": share}}, training={"data": "dynamic"})
        for share in (0, 0.2)
    )
    for system in wet.systems:
        given = wildcards(system, split="test")
        added = {"dry": 0.2} if system.model.task == "denoise" else {}
        assert dry.inference(given) == wet.inference(given) | added
    for model in wet.models:
        given = wildcards(model)
        before, after = (of.training_job(given)["mixtures"] for of in (wet, dry))
        behind = {"dry": 0.2} if str(model.trained) == CONDITION else {}
        assert after == before | behind


def test_measures_are_those_of_the_task(monkeypatch):
    asked = {"dnsmos": True, "asr": {"engine": "pocketsphinx"}}
    scored = experiment(SMOKE, evaluation=asked).scored
    assert len(scored) == len(set(scored)) == 3 * (10 + 2) + 1  # one denoiser on clean mixtures
    assert "asr/separate/mixture/untrained/0/noisy" in scored
    assert "asr/denoise/conv_tasnet/noisy/0/noisy" in scored
    monkeypatch.setitem(TASKS, DENOISE.name, replace(DENOISE, measures=("signal", "dnsmos")))
    fewer = experiment(SMOKE, evaluation=asked).scored
    assert sorted(set(scored) - set(fewer)) == [
        "asr/denoise/conv_tasnet/noisy/0/noisy",
        "asr/denoise/mixture/untrained/0/noisy",
    ]


def recognising(**asr):
    """Settings of a score and of the reference texts, and the fetched model that both read."""
    of = experiment(SMOKE, mixtures={"mode": "max"}, evaluation={"asr": asr})
    score = wildcards(of.systems[0], measure="asr", scatteritem="1-of-1")
    given, texts = of.scoring_inputs(score)["model"], of.reference_inputs(None)["model"]
    return of.measured(score), of.reference_settings(None), given, texts


def test_scores_of_a_recogniser_depend_on_its_version_and_its_weights(tmp_path, monkeypatch):
    settings, texts, fetched, _ = recognising(engine="pocketsphinx")
    assert texts == settings and fetched == []
    assert settings["made_by"]["versions"] == {"pocketsphinx": version("pocketsphinx")}
    monkeypatch.setattr(whisper, "version", lambda name: "0")
    assert recognising(engine="pocketsphinx")[0] != settings
    assert recognising(engine="pocketsphinx", reference="transcript")[1] == {}
    (tmp_path / "model.bin").write_bytes(b"one")
    own = {"engine": "faster_whisper", "model": str(tmp_path)}
    settings, texts, fetched, _ = recognising(**own)
    assert settings["model"] == str(tmp_path) and texts == settings and fetched == []
    (tmp_path / "model.bin").write_bytes(b"two")
    assert recognising(**own)[0] != settings


def test_a_fetched_recogniser_is_an_input():
    hub = {"engine": "faster_whisper", "model": "me/whisper", "download": True}
    settings, texts, *fetched = recognising(**hub)
    assert fetched == [["results/scores/asr/model"]] * 2
    assert settings["model"] == texts["model"] == "results/scores/asr/model"
    assert recognising(**hub, reference="transcript")[3] == []
    assert recognising(**hub | {"download": False})[2:] == ([], [])


def test_denoisers_are_scored_on_clean_mixtures_for_what_they_keep_of_them():
    of, clean = experiment(SMOKE), "denoise/conv_tasnet/noisy/0/clean"
    [system] = of.preserving
    assert system.path == clean and system not in of.systems and f"signal/{clean}" in of.scored
    given = wildcards(system, split="test", measure="signal")
    assert not of.is_timed(given) and f"{clean}/test" not in of.timed
    assert of.inference_inputs(given)["denoised"] == []
    assert of.measured(given) == {"metrics": ["si_sdr"]}
    assert experiment(SMOKE, evaluation={"metrics": ["stoi"]}).preserving == []


def test_the_snr_is_that_of_denoisers_only():
    of = experiment(SMOKE)
    for system in of.scored_systems:
        found = of.measured(wildcards(system, measure="signal"))["metrics"]
        assert ("snr" in found) == (system.model.task == "denoise") and "si_sdr" in found


def published(separators=("small",), **changes) -> Experiment:
    """Two published denoisers, and separators of noisy mixtures."""
    denoisers = {"gate": {"model": "spectral_gating"}, "dtln": {"model": "dtln"}}
    behind = {name: {"model": "conv_tasnet", "conditions": ["noisy"]} for name in separators}
    return Experiment(
        load_config(merge(read() | {"denoisers": denoisers, "separators": behind}, changes))
    )


def test_nothing_of_a_training_decides_a_published_network():
    plain, other = published(), published(seed=5, training={"epochs": 2, "data": "dynamic"})
    for model in plain.models[:2]:
        given = wildcards(model)
        assert plain.training_job(given) == other.training_job(given)
        assert plain.training_inputs(given) == other.training_inputs(given)
        assert plain.training_inputs(given)["train"] == [] and not other.is_dynamic(model)
    assert plain.rendered == ["train", "dev", "test"] and other.rendered == ["dev", "test"]
    assert published(separators=()).rendered == ["dev", "test"]


def test_another_installed_file_makes_a_published_network_anew(monkeypatch):
    of = published()
    gate, dtln = (wildcards(model) for model in of.models[:2])
    before = of.training_job(dtln)["package"]
    assert set(before) == {"model_1.onnx", "model_2.onnx"}
    assert of.training_job(gate)["package"] is None
    monkeypatch.setattr(package, "_sum", lambda path, modified: "another")
    assert of.training_job(dtln)["package"] == dict.fromkeys(before, "another")


def test_devices_and_threads_train_nothing_again():
    plain = experiment(SMOKE)
    other = experiment(SMOKE, training={"devices": 2}, machine={"threads": 2})
    for model in plain.models:
        given = wildcards(model)
        assert plain.training_job(given) == other.training_job(given)
        assert (plain.devices(given), other.devices(given)) == (1, 2)


def test_every_model_is_trained_as_often_as_is_asked_in_whole_chains():
    once, thrice = experiment(SMOKE), experiment(SMOKE, training={"repeats": 3})
    assert len(thrice.models) == 3 * len(once.models)
    assert len(thrice.systems) == 3 * len(once.systems)
    assert set(once.models) <= set(thrice.models)
    seeds = set()
    for model in thrice.models:
        given, job = thrice.training_inputs(wildcards(model)), thrice.training_job(wildcards(model))
        seeds.add((model.run, job["seed"]))
        first = wildcards(replace(model, run=0))
        if model.run == 0:  # a larger number trains nothing again
            assert (given, job) == (once.training_inputs(first), once.training_job(first))
        assert job | {"seed": 0} == thrice.training_job(first) | {"seed": 0}
        for path in given["denoised_train"] + given["denoised_dev"]:
            assert f"/conv_tasnet/noisy/{model.run}/noisy/" in path
    assert len(seeds) == len({seed for _, seed in seeds}) == 3
    for system in thrice.systems:
        for path in thrice.inference_inputs(wildcards(system, split="test"))["denoised"]:
            assert f"/conv_tasnet/noisy/{system.model.run}/noisy/" in path


def test_a_model_depends_on_the_extensions_that_it_uses(monkeypatch):
    of = experiment(SMOKE)
    monkeypatch.setitem(LOADED, "extension_mine", "mine.py")
    files = {model.path: of.training_inputs(wildcards(model))["extensions"] for model in of.models}
    assert set(map(tuple, files.values())) == {()}
    own = replace(TERMS["si_sdr"], floor=-20.0)
    monkeypatch.setitem(TERMS, "si_sdr", own)  # of the separators' loss
    for model in of.models:
        expected = [] if model.task == "denoise" else ["mine.py"]
        assert of.training_inputs(wildcards(model))["extensions"] == expected
    monkeypatch.undo()
    monkeypatch.setitem(LOADED, "extension_mine", "mine.py")
    monkeypatch.setitem(MODELS, "conv_tasnet", replace(MODELS["conv_tasnet"]))
    for model in of.models:
        assert of.training_inputs(wildcards(model))["extensions"] == ["mine.py"]


if __name__ == "__main__":
    paths = {"demo": (), **{path.stem: (path,) for path in PRESETS}}
    snapshots = {name: jobs(experiment(*path)) for name, path in paths.items()}
    SNAPSHOTS.write_text(json.dumps(snapshots, indent=1) + "\n", encoding="utf-8")
