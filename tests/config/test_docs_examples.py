"""Every example of a configuration in the docs, unchanged, on top of `config.yaml`."""

import re
import shlex
from copy import deepcopy

import pytest
import yaml
from snakemake.cli import parse_config
from workspace import ROOT, merge

from pipeline.config import Config, load_config
from pipeline.config.files import check_files, read_file
from pipeline.config.layers import choose_models
from pipeline.corpora.catalogue import check_download
from pipeline.models import MODELS, check_networks

DEMO = ROOT / "config.yaml"
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.remove(ROOT / "docs/bad-input.md")  # its examples are wrong on purpose
PAGES.remove(ROOT / "docs/extending.md")  # runs whole in tests/workflow/test_extending.py
SEPARATORS = {"dprnn", "dptnet", "sudormrf", "tiger", "chain"}  # which were made to separate
DENOISERS = set(MODELS) - SEPARATORS - {"pretrained"}
LOCAL = {"kind": "local", "local": {"speech": "/data/LibriSpeech", "noise": "/data/wham_noise"}}


def configured(above):
    """The configuration with this on top of the demo, checked like the configuration of a run."""
    below = read_file(DEMO)
    config = merge(deepcopy(below), above)
    choose_models(config, below, above)
    typed = load_config(config)
    check_networks(typed)
    check_download(typed)
    return typed


def read(path):
    return path.read_text(encoding="utf-8")


def blocks(page):
    """The YAML blocks of a page."""
    return re.findall(r"```yaml\n(.*?)```", read(page), re.DOTALL)


def phrases(page):
    """Mappings in the running text of a page that have a key of the configuration."""
    for code in re.findall(r"`([^`\n]+)`", read(page)):
        if re.match(rf"({'|'.join(Config.model_fields)}): {{", code) and "…" not in code:
            yield code


def commands(path):
    """The snakemake commands of a page or a comment that set a configuration."""
    text = re.sub(r"\\\n[# ]*", "", read(path))
    for found in re.findall(r"(?:snakemake|--config) [^\n|`]*", text):
        if "--config" in found and "<" not in found:
            yield found


def laid_over(command):
    """The configuration that a command puts on top of the demo."""
    words = shlex.split(command, comments=True)
    above, option = {}, None
    for word in words:
        if word.startswith("--"):
            option = word
        elif option in ("--configfile", "--configfiles"):
            above = merge(above, read_file(ROOT / word))
        elif option == "--config":
            above = merge(above, parse_config([word]))
    return above


EXAMPLES = [(page.name, block) for page in PAGES for block in blocks(page)]
PHRASES = [(page.name, phrase) for page in PAGES for phrase in phrases(page)]
COMMANDS = [(p.name, command) for p in (*PAGES, *PRESETS) for command in commands(p)]


def test_the_examples_are_found():
    assert len(EXAMPLES) >= 2 and len(PHRASES) >= 12 and len(COMMANDS) >= 8, (PHRASES, COMMANDS)


@pytest.mark.parametrize("page, text", EXAMPLES)
def test_a_block_is_a_file_of_a_user(tmp_path, page, text):
    mine = tmp_path / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    check_files([mine])
    configured(read_file(mine))


@pytest.mark.parametrize("page, text", PHRASES)
def test_a_phrase_is_a_file_of_a_user(page, text):
    above = yaml.safe_load(text)
    if above == {"denoisers": {"conv_tasnet": None}}:  # which needs another key beside it
        above = merge({"denoisers": {"other": {"model": "conv_tasnet"}}}, above)
        above |= {"separators": {"conv_tasnet": {"conditions": ["noisy", "denoised-other"]}}}
    configured(above)


@pytest.mark.parametrize("page, command", COMMANDS)
def test_a_command_configures_a_run(page, command):
    configured(laid_over(command))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.name)
def test_a_preset_has_the_models_of_the_demo_and_no_others(preset):
    check_files([preset])
    config = configured(read_file(preset))
    if preset.stem == "denoisers":  # one of each, and the separator behind them
        assert {denoiser.model for denoiser in config.denoisers.values()} == DENOISERS
        assert list(config.separators) == ["conv_tasnet"]
        return
    own = ("weights_", "evidence", "recipe", "separator_any")  # which have networks of their own
    if preset.stem.startswith(own):
        assert not {"conv_tasnet", "conv_tasnet_deep"} & {*config.denoisers, *config.separators}
        return
    assert list(config.denoisers) == ["conv_tasnet"]
    # The separator behind the denoiser, and one of the size of both.
    assert list(config.separators) == ["conv_tasnet", "conv_tasnet_deep"]
    assert config.separators["conv_tasnet"].conditions == ["clean", "noisy", "denoised-conv_tasnet"]


def test_the_example_of_two_denoisers_has_two():
    (text,) = [text for page, text in EXAMPLES if "denoised-large" in text]
    config, demo = configured(yaml.safe_load(text)), configured({})
    assert list(config.denoisers) == ["small", "large"]
    assert config.denoisers["small"].arguments == {"X": 4, "R": 2}
    assert config.denoisers["large"].arguments == {}
    assert list(config.separators) == list(demo.separators)
    separator = config.separators["conv_tasnet"]
    assert separator.conditions == ["noisy", "denoised-small", "denoised-large"]
    assert separator.arguments == demo.separators["conv_tasnet"].arguments
    assert config.conditions == ["clean", "noisy", "denoised-small", "denoised-large"]


def test_the_rules_on_models_are_true():
    config = configured(yaml.safe_load("denoisers: {conv_tasnet: {training: {epochs: 9}}}"))
    assert config.training_of("denoisers", "conv_tasnet").epochs == 9
    mini = read_file(ROOT / "workflow/presets/mini.yaml")
    two = yaml.safe_load(next(text for _, text in EXAMPLES if "denoised-large" in text))
    assert list(configured(merge(mini, two)).denoisers) == ["conv_tasnet", "small", "large"]
    out = merge(mini, merge(two, {"denoisers": {"conv_tasnet": None}}))
    assert list(configured(out).denoisers) == ["small", "large"]


def test_a_part_of_a_corpus_is_as_the_page_says():
    (text,) = [text for page, text in EXAMPLES if "max_speakers" in text]
    download = configured(yaml.safe_load(text)).corpora.download
    assert (download.folder, download.noise.max_files) == ("/scratch/corpora", 300)
    assert (download.speech.max_speakers, download.speech.max_utterances) == (20, 30)


def test_the_commented_corpus_of_the_demo_is_valid():
    lines = [line.removeprefix("  # ") for line in read(DEMO).splitlines() if "  # " in line[:4]]
    local = yaml.safe_load("\n".join(lines))
    config = configured({"corpora": {"kind": "local"} | local})
    assert config.corpora.local.speech == [LOCAL["local"]["speech"]]
    assert config.corpora.local.noise == [LOCAL["local"]["noise"]]


def test_every_key_of_the_table_is_a_key():
    typed = configured({"corpora": LOCAL, "evaluation": {"asr": {"engine": "pocketsphinx"}}})
    keys = [key for key in keys_of_the_table() if "<" not in key]
    assert len(keys) > 50
    for key in keys:
        value = typed
        for part in key.split("."):
            assert part in type(value).model_fields, key
            value = getattr(value, part)


def keys_of_the_table():
    """The keys of a row: `a.b`, and `.c` beside it as `a.c`."""
    for keys in re.findall(r"^\| (`[^|]*) \|", read(ROOT / "docs/configuration.md"), re.M):
        first, *others = re.findall("`([^`]*)`", keys)
        yield from (first, *(first.rpartition(".")[0] + other for other in others))


def test_every_argument_of_a_network_stands_in_the_docs_with_its_default():
    page = read(ROOT / "docs/configuration.md")
    for name, entry in MODELS.items():
        if name in ("chain", "pretrained"):  # whose arguments have no defaults
            continue
        [row] = re.findall(rf"^\| {name} \|.*$", page, re.MULTILINE)
        defaults = yaml.safe_load("{" + ", ".join(re.findall(r"`(\w+: [^`]+)`", row)) + "}")
        assert defaults == entry.arguments().model_dump(mode="json")
