"""Networks that ship: found by name, checked, and those of a run or a file."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from pipeline import weights
from pipeline.base.errors import PipelineError
from pipeline.base.provenance import sha256
from pipeline.models import build
from pipeline.models.card import Card
from pipeline.models.weights import from_pretrained, save_weights
from pipeline.weights import FOLDER, SUMS, locate, shipped

TINY = {"N": 16, "L": 16, "B": 8, "H": 16, "Sc": 8, "X": 2, "R": 1}


@pytest.fixture
def model(tmp_path):
    """The folder of a trained model, and its network."""
    network = build("conv_tasnet", TINY, 2, 8000).eval()
    folder = tmp_path / "results/models/separate/direct/noisy/0"
    folder.mkdir(parents=True)
    save_weights(folder / "model.safetensors", network, Card("conv_tasnet", TINY, 2, 8000))
    return folder, network


@pytest.fixture
def released(model, tmp_path, monkeypatch):
    """A folder with one network that ships."""
    folder = tmp_path / "weights"
    folder.mkdir()
    path = folder / "separator.safetensors"
    shutil.copy(model[0] / "model.safetensors", path)
    (folder / SUMS).write_text(f"name,sha256\nseparator,{sha256(path)}\n")
    monkeypatch.setattr(weights, "FOLDER", folder)
    monkeypatch.setattr(weights, "shipped", lambda: shipped(folder))
    weights._checked.cache_clear()
    yield path
    weights._checked.cache_clear()


def test_a_network_is_loaded_by_name_folder_or_file(model, released):
    folder, network = model
    mixtures = torch.randn(1, 800)
    for source in ("separator", folder, str(folder), folder / "model.safetensors"):
        found = from_pretrained(source)
        assert not found.training
        with torch.no_grad():
            torch.testing.assert_close(found(mixtures), network(mixtures))


def test_an_unknown_network_is_refused_with_those_that_ship(released, model):
    with pytest.raises(PipelineError) as error:
        locate("separator_9")
    assert str(error.value) == (
        f"separator_9 (relative to the working folder {Path.cwd()}): no such network; give"
        " separator, the folder of a trained model, or a weights file"
    )
    assert locate("separator") == released  # the cures
    assert locate(model[0]) == locate(model[0] / "model.safetensors")


def test_another_file_than_the_one_that_ships_is_refused(released):
    whole = released.read_bytes()
    released.write_bytes(whole[:-1] + b"x")
    with pytest.raises(PipelineError) as error:
        from_pretrained("separator")
    assert str(error.value) == (
        f"{released}: is not the file that this version ships; install the package again"
    )
    released.write_bytes(whole)  # what installing again does
    from_pretrained("separator")


def test_the_files_that_ship_are_those_of_the_table():
    with (FOLDER / SUMS).open() as file:
        rows = list(csv.DictReader(file))
    files = {path.stem: path for path in FOLDER.glob("*.safetensors")}
    assert {row["name"]: row["sha256"] for row in rows} == {
        name: sha256(path) for name, path in files.items()
    }
    assert sum(path.stat().st_size for path in files.values()) < 30e6
