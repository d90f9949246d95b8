"""Names that are hard to quote, in every rule: folders, speakers, noises, weights."""

import shutil

import pytest
import yaml
from chromium import lengths_of_players
from workspace import SMOKE

from pipeline.base.files import read_manifest
from pipeline.config import SPLITS
from pipeline.models import build, parse_arguments
from pipeline.models.card import Card
from pipeline.models.weights import save_weights

# Composed and decomposed accents, and special characters of shells, Snakemake, CSV, HTML, URLs.
ODD = 'it\'s "a" `b` $HOME;&#? 100%20 *[z]\\ <B>&amp; \u00e9 e\u0301 音'
ODDER = f"{ODD} {{x}} {{{{y}}}} <b>"  # characters that Snakemake replaces in the names of inputs
SPEAKERS = ["-rf", "O'Brien {x}", "\u00e9 <i>", "%s $(id)\n2"]
SUBSETS = {split: [f"{split} {ODDER}"] for split in SPLITS}


@pytest.fixture
def tmp_path(tmp_path):
    """The folder of the run and its corpora, with an odd name."""
    (tmp_path / ODDER).mkdir()
    return tmp_path / ODDER


@pytest.fixture
def config(corpus, tmp_path):
    """A whole small run in which every name that a user can choose is odd."""
    fill(corpus)
    local = {"speech": str(corpus.speech), "noise": str(corpus.noise), "subsets": SUBSETS}
    values = {
        "corpora": {"kind": "local", "local": local},
        "mixtures": {"counts": {"train": 4, "dev": 2, "test": 2}, "min_seconds": 0.5},
        "training": {"epochs": 1, "segment_seconds": 0.5},
        "denoisers": {"conv_tasnet": {"init_from": weights(tmp_path).name}},
        "separators": {"conv_tasnet": {"conditions": ["denoised-conv_tasnet"]}, "small": None},
        "evaluation": {"metrics": ["si_sdr", "stoi"], "bootstrap_samples": 100},
        "report": {"title": f"</title><script>alert(1)</script> {ODDER}", "examples": 1},
    }
    path = tmp_path / f"{ODDER}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return SMOKE, path


def fill(corpus):
    for split in SPLITS:
        for speaker in (f"{name} {split}" for name in SPEAKERS):
            (chapter := corpus.speech / SUBSETS[split][0] / speaker / ODDER).mkdir(parents=True)
            for n in range(2):
                made = corpus.speak(split, speaker, n)
                made.rename(chapter / f"{speaker}-{ODDER}-{n}.flac")
        made = corpus.hiss(split, "plain")
        made.rename(made.with_name(f"-{ODDER}.wav"))


def weights(folder):
    """Weights to start from, for the denoiser of the smoke configuration."""
    path = folder / f"{ODD}.safetensors"
    smoke = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))
    arguments = smoke["denoisers"]["conv_tasnet"]["arguments"]
    arguments = parse_arguments("conv_tasnet", arguments).model_dump()
    card = Card("conv_tasnet", arguments, 1, 8000)
    save_weights(path, build("conv_tasnet", arguments, 1, 8000), card)
    return path


def test_a_run_with_odd_names_ends_in_a_report(workspace, config, visit):
    workspace.succeed(config=config)
    table = read_manifest(workspace / "mixtures/test/mixtures.csv")
    assert set(table["noise"]) == {f"-{ODDER}"}
    assert {name.removesuffix(" test") for name in table["source_1_speaker"]} <= set(SPEAKERS)
    for name in ("report/index.html", "report.html"):
        page = visit(workspace / name)
        page.wait_for_selector(".plot.scatter .point")
        assert page.title().startswith("</title><script>alert(1)</script> it's")
        lengths = lengths_of_players(page)
        assert len(lengths) > 10 and min(lengths) > 0.4
    links = page_links(visit(workspace / "report/index.html"))
    assert len(links) > 10 and all((workspace / "report" / link).is_file() for link in links)
    assert_metadata_comes_back(workspace, config)


def page_links(page):
    """Files that the page loads or links to."""
    found = page.eval_on_selector_all(
        "[src], [href]", "all => all.map(e => e.getAttribute('src') || e.getAttribute('href'))"
    )
    return [link for link in found if not link.startswith(("#", "data:"))]


def assert_metadata_comes_back(workspace, config):
    """The same mixtures again, read from LibriMix's metadata in a folder with an odd name."""
    (given := workspace.folder / ODD).mkdir()
    for split in SPLITS:
        [metadata] = (workspace / "mixtures").rglob(f"plan/libri3mix_{split}.csv")
        shutil.copy(metadata, given)
    again = workspace.folder / "librimix.yaml"
    librimix = {"metadata": ODD, "subsets": {split: [split] for split in SPLITS}}
    again.write_text(yaml.safe_dump({"mixtures": {"kind": "librimix", "librimix": librimix}}))
    workspace.succeed("results/mixtures/test/mixtures.csv", config=(*config, again))
    table = read_manifest(workspace / "mixtures/test/mixtures.csv")
    assert set(table["noise"]) == {f"-{ODDER}"}
