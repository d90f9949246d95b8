from copy import deepcopy
from pathlib import Path

import pytest
import torch
import yaml
from workspace import ROOT, merge

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Training, load_config
from pipeline.config.layers import choose_models
from pipeline.config.models import RepeatedTraining
from pipeline.corpora.roots import Subset, corpus_subsets, noise_subsets
from pipeline.models import build, check_networks, parse_arguments

SMALLEST = {
    "denoisers": {"small": {"model": "conv_tasnet"}},
    "separators": {"small": {"model": "conv_tasnet", "conditions": ["clean", "noisy"]}},
}
CORPORA = ("speech", "noise")
LOCAL = {"kind": "local", "local": {"speech": "/data/a", "noise": "/data/b"}}
NONE = object()


def with_value(key, value):
    """The smallest configuration with one dotted key set, or removed if the value is NONE."""
    values = deepcopy(SMALLEST)
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    if value is NONE:
        del section[last]
    return values


def refused(values):
    """The line with which a configuration is refused, without `config: `."""
    with pytest.raises(PipelineError) as error:
        check_networks(load_config(values))
    message = str(error.value)
    assert message.startswith("config: ") and "\n" not in message
    return message.removeprefix("config: ")


def read_yaml(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_defaults_fill_missing_keys():
    config = load_config(SMALLEST)
    check_networks(config)
    assert (config.seed, config.sample_rate, config.shards) == (0, 8000, 2)
    assert config.mixtures.num_speakers == 3 and config.mixtures.noise_snr == (-6, 3)
    assert config.corpora.kind == "demo" and config.training == RepeatedTraining()
    assert config.training_of("denoisers", "small") == Training()
    assert config.conditions == ["clean", "noisy", "denoised-small"]
    assert config.separators["small"].arguments == {}


@pytest.mark.parametrize("laid_over", [None, "tests/smoke.yaml"])
def test_the_default_configuration_is_valid(laid_over):
    above, below = read_yaml(laid_over) if laid_over else {}, read_yaml("config.yaml")
    values = merge(below, above)
    choose_models(values, below, above)
    check_networks(load_config(values))


@pytest.mark.parametrize("preset", sorted((ROOT / "workflow/presets").glob("*.yaml")))
def test_presets_are_valid_over_the_default(preset):
    demo, above = read_yaml("config.yaml"), read_yaml(preset)
    values = merge(demo, above)
    choose_models(values, demo, above)
    config = load_config(values)
    check_networks(config)
    assert config.corpora.kind in ("local", "download")
    few = {"denoiser": 1, "weights_separator": 2, "separator_any": [1, 2, 3]}
    assert config.mixtures.num_speakers == few.get(preset.stem, 3)
    speech, noise = (corpus_subsets(config.corpora, kind, Path("demo")) for kind in CORPORA)
    held = Path("data/noise" if preset.stem == "denoiser" else "data/wham_noise")
    assert noise == noise_subsets([held])
    local, download = config.corpora.local, config.corpora.download
    subsets = (download.speech if config.corpora.kind == "download" else local).subsets.train
    folders = [subset.folder for subset in speech["train"]]
    assert folders == [Path("data/LibriSpeech", subset) for subset in subsets]


def test_the_folder_of_the_demo_is_where_it_is_made():
    corpora = load_config(SMALLEST).corpora
    speech, noise = (corpus_subsets(corpora, kind, Path("made")) for kind in CORPORA)
    assert noise == noise_subsets([Path("made/wham_noise")])
    root = Path("made/LibriSpeech")
    assert speech == {split: [Subset(root, f"{split}-demo")] for split in SPLITS}


def test_a_dumped_configuration_is_read_back():
    config = load_config(with_value("corpora", LOCAL))
    assert load_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "key, allowed",
    [
        ("sed", "corpora, denoisers, evaluation"),
        ("mixtures.num_speeker", "babble, babble_voices, conversation, counts, exclude_noises"),
        ("corpora.demo.speaker", "noise_seconds, noises, speakers"),
        ("corpora.demo.noises.val", "dev, test, train"),
        ("corpora.local.subset", "noise, speech, subsets"),
        ("denoisers.small.argument", "arguments, dry, init_from, model, training"),
        ("denoisers.small.conditions", "arguments, dry, init_from, model, training"),
        (
            "separators.small.traning",
            "arguments, conditions, init_from, model, noise_output, then_denoise, training",
        ),
        (
            "denoisers.small.training.epoch",
            "augment, average_best, batch_size, data, devices, ema_decay",
        ),
        (
            "separators.small.training.model",
            "augment, average_best, batch_size, data, devices, ema_decay",
        ),
        ("denoisers.small.arguments.Q", "B, H, L, N, P, R, Sc, X, causal, mask, norm"),
        ("separators.small.arguments.n_filters", "B, H, L, N, P, R, Sc, X, causal, mask, norm"),
    ],
)
def test_an_unknown_key_is_named_with_those_allowed(key, allowed):
    assert f"{key}: unknown key; allowed here: {allowed}" in refused(with_value(key, 1))


def test_a_key_with_dots_is_refused_with_the_right_form():
    dotted = SMALLEST | {"training.epochs": 3}
    assert refused(dotted) == "training.epochs: unknown key; write training: {epochs: …}"
    deep = SMALLEST | {"corpora": {"local.subsets.train": ["a"]}}
    assert refused(deep).endswith("unknown key; write local: {subsets: {train: …}}")
    load_config(SMALLEST | yaml.safe_load("training: {epochs: 3}"))  # as the line says


@pytest.mark.parametrize(
    "key, value, cause",
    [
        ("sample_rate", 44100, "Input should be 8000 or 16000, not 44100"),
        ("seed", -1, "Input should be greater than or equal to 0, not -1"),
        ("mixtures.num_speakers", 2.5, "Input should be a valid integer"),
        ("mixtures.num_speakers", 0, "Input should be greater than or equal to 1, not 0"),
        ("mixtures.num_speakers", [], "is empty; give at least one"),
        ("mixtures.num_speakers", [1, 1], "'1' stands twice; name it once"),
        ("mixtures.num_speakers", {"most": 3}, "Input should be a valid integer"),
        ("mixtures.peak", 1.5, "Input should be less than or equal to 1, not 1.5"),
        ("mixtures.noise_rule", "whamr", "Input should be 'wham' or 'librimix', not 'whamr'"),
        ("mixtures.counts.train", 0, "Input should be greater than 0, not 0"),
        ("mixtures.min_seconds", float("inf"), "Input should be a finite number, not inf"),
        ("training.learning_rate", "fast", "Input should be a valid number"),
        ("machine.device", "gpu", "Input should be 'auto', 'cpu' or 'cuda', not 'gpu'"),
        ("corpora.kind", "libri", "Input should be 'demo', 'local' or 'download', not 'libri'"),
        ("evaluation.metrics", [], "is empty; give at least one"),
        ("evaluation.metrics", ["sdr", "sdr"], "'sdr' stands twice; name it once"),
        ("mixtures", None, "must hold keys and their values, not None"),
        ("mixtures", [3], "must hold keys and their values, not [3]"),
        ("mixtures.counts", 400, "must hold keys and their values, not 400"),
        ("corpora.local", "/data", "must hold keys and their values, not '/data'"),
        ("denoisers", None, "must hold keys and their values, not None"),
        ("denoisers", [], "must hold keys and their values, not []"),
        ("denoisers", {}, "is empty; give at least one"),
        ("denoisers.small", None, "must hold keys and their values, not None"),
        ("denoisers.small.model", NONE, "missing; add it to the configuration"),
        ("denoisers.small.model", "unet", "'unet' is not registered; allowed: conv_"),
        ("denoisers.small.arguments", None, "must hold keys and their values, not None"),
        ("denoisers.small.arguments.N", "many", "Input should be a valid integer"),
        ("denoisers.small.arguments.norm", "bn", "Input should be 'gLN' or 'cLN', not 'bn'"),
        ("denoisers.small.training", [1], "must hold keys and their values, not [1]"),
        ("denoisers.small.training.epochs", "many", "Input should be a valid integer"),
        ("denoisers.small.training.batch_size", None, "Input should be a valid integer, not None"),
        ("denoisers.small.init_from", "a/{b}.safetensors", "holds {, which Snakemake replaces;"),
        ("mixtures.librimix.metadata", "a/<b>", "holds <b>, which Snakemake replaces; rename"),
        ("separators.small.conditions", NONE, "missing; add it to the configuration"),
        ("separators.small.conditions", [], "is empty; give at least one"),
        ("separators.small.conditions", "clean", "must be a list, such as [a, b], not 'clean'"),
        ("separators.small.conditions", ["clean"] * 2, "'clean' stands twice; name it once"),
        ("mixtures.noise_snr", [3, -6], "lower bound 3.0 is above upper bound -6.0; swap them"),
        ("mixtures.noise_snr", -6, "must be two numbers, [low, high], not -6"),
        ("mixtures.speech_lufs", [-33], "must be two numbers, [low, high], not [-33]"),
    ],
)
def test_a_bad_value_is_named_with_the_error(key, value, cause):
    assert refused(with_value(key, value)).startswith(f"{key}: {cause}")


@pytest.mark.parametrize("key", ["corpora.local", "corpora.download.speech"])
def test_a_subset_named_twice_in_a_split_is_reported(key):
    subsets = {"train": ["a", "b", "a"], "dev": ["c"], "test": ["d"]}
    section = {"subsets": subsets} | ({} if "speech" in key else {"speech": ".", "noise": "."})
    line = f"{key}.subsets.train: 'a' stands twice; name it once"
    assert refused(with_value(key, section)) == line
    subsets["train"] = ["a", "b"]
    load_config(with_value(key, section))


@pytest.mark.parametrize("key", ["mixtures.noise_speeds", "training.speech_speed"])
@pytest.mark.parametrize(
    "speed, cause", [(0, "greater than or equal to 0.1"), (10, "less than 10")]
)
def test_a_speed_is_one_that_can_be_played(key, speed, cause):
    message = refused(with_value(key, sorted([speed, 1.0])))
    assert message.startswith(f"{key}.{int(speed > 1)}: Input should be {cause}, not {speed}")


@pytest.mark.parametrize("name", ["Conv-TasNet", "conv tasnet", "a/b", "", "a" * 65])
@pytest.mark.parametrize("role", ["denoisers", "separators"])
def test_a_bad_name_is_refused(role, name):
    values = with_value(role, {name: SMALLEST[role]["small"]})
    shown = name or "''"
    words = "a name holds only a-z, 0-9 and _, 64 of them at most"
    assert refused(values) == f"{role}.{shown}: {words}"


def test_a_condition_needs_its_denoiser():
    message = refused(with_value("separators.small.conditions", ["noisy", "denoised-large"]))
    assert message == (
        "separators.small.conditions: 'denoised-large' is not one of clean, noisy,"
        " denoised-small; declare the denoiser under denoisers: first"
    )
    load_config(with_value("separators.small.conditions", ["denoised-small"]))


def test_a_local_corpus_needs_its_folders():
    message = refused(with_value("corpora", {"kind": "local"}))
    assert message.startswith("corpora: kind is local: give local.speech and local.noise")
    assert refused(with_value("corpora.local.speech", "/data")).startswith("corpora.local.noise: m")


def test_more_shards_than_mixtures_is_refused():
    counts = {"train": 400, "dev": 4, "test": 40}
    values = with_value("mixtures.counts", counts)
    load_config(values | {"shards": 4})
    assert refused(values | {"shards": 5}) == (
        "shards: 5 is more than the 4 mixtures of a split; lower it, or raise mixtures.counts"
    )


def test_overlap_must_fit():
    message = refused(with_value("inference", {"max_seconds": 3, "overlap_seconds": 2}))
    assert message == (
        "inference: overlap_seconds: 2 is more than half of max_seconds: 3; lower it, or raise"
        " max_seconds"
    )


def test_all_problems_are_in_one_line():
    values = with_value("denoisers.small.arguments", {"N": 0, "Q": 1})
    message = refused(values)
    assert "denoisers.small.arguments.N: Input should be greater" in message
    assert "; denoisers.small.arguments.Q: unknown key" in message


@pytest.mark.parametrize("values", [None, [], "text"])
def test_a_configuration_is_a_mapping(values):
    assert refused(values).startswith("configuration: must hold keys and their values, not ")


def test_a_long_value_is_shortened():
    message = refused(with_value("mixtures", [f"word {k}" for k in range(1000)]))
    assert len(message) < 150


def test_the_training_of_a_model_overrides_the_shared_one():
    values = with_value("training", {"epochs": 7, "batch_size": 2})
    values["denoisers"]["small"]["training"] = {"epochs": 30, "ema_decay": 0.9}
    config = load_config(values)
    assert config.training_of("separators", "small") == Training(epochs=7, batch_size=2)
    own = Training(epochs=30, batch_size=2, ema_decay=0.9)
    assert config.training_of("denoisers", "small") == own


def test_yaml_writes_small_numbers_as_text():
    values = with_value("training.learning_rate", yaml.safe_load("1e-3"))
    assert load_config(values).training.learning_rate == 0.001


def test_a_configuration_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        load_config(SMALLEST).seed = 1


def test_arguments_are_filled_in_and_built():
    small = {"N": 8, "L": 4, "B": 4, "H": 4, "Sc": 4, "X": 1, "R": 1}
    assert parse_arguments("conv_tasnet", small).model_dump()["P"] == 3
    network = build("conv_tasnet", small, num_sources=2, sample_rate=8000)
    assert network(torch.zeros(3, 400)).shape == (3, 2, 400)


@pytest.mark.parametrize("section", ["denoisers", "separators"])
@pytest.mark.parametrize(
    ("name", "what"),
    [("mixture", "the unprocessed mixture"), ("ideal_mask", "the ideal mask")],
)
def test_the_name_of_a_system_without_a_network_is_refused(section, name, what):
    network = SMALLEST[section]["small"]
    values = SMALLEST | {section: {name: network}}
    assert f"{section}.{name}: this is the name of {what} in the tables" in refused(values)
    load_config(SMALLEST | {section: {"mixtures": network}})
