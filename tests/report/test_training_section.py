import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered

from pipeline import audio
from pipeline.base.files import read_manifest
from pipeline.report.figures.training_curves import best_epoch, draw_training_curves
from pipeline.report.run import Run
from pipeline.report.sections import training
from pipeline.report.site import Site

SEPARATOR = "separator conv_tasnet, noisy"


@pytest.fixture
def tree(builder):
    """A tree in which every training has kept its excerpts."""
    tree = builder(mixtures=2).build(timed=False)
    tones = np.sin(np.arange(800) / np.arange(1, 11)[:, None]).astype(np.float32)
    for name, folder in tree.inputs.samples.items():
        kept = ["mixture"] + [
            f"{kind}_{k}"
            for kind in ("reference", "first", "best")
            for k in range(1, 2 if name.startswith("denoiser") else 4)
        ]
        for stem, tone in zip(kept, tones, strict=False):
            audio.write(folder / f"{stem}.flac", tone, 8000, format="FLAC")
    return tree


@pytest.fixture
def text(tree) -> str:
    return rendered(tree.inputs, tree.index, "training")


def table_of(run):
    return training.training_table(run, run.histories)


def test_numbers_are_those_of_the_histories_and_cards(tree):
    run = Run(tree.inputs)
    table = table_of(run)
    assert [row.heading for row in table.rows] == list(tree.inputs.histories)
    for row, path in zip(table.rows, tree.inputs.histories.values(), strict=True):
        history = read_manifest(path)
        best = history.loc[history["dev_si_sdri"].idxmax()]
        values = dict(zip(table.columns, (cell.value for cell in row.cells), strict=True))
        assert (values["epochs"], values["steps"]) == (30, 1500)
        assert values["minutes"] == 30.5  # 30 epochs of 61 s
        assert values["segments/s"] == pytest.approx(4 * 1500 / 1830)
        assert values["best epoch"] == best["epoch"]
        assert values["dev loss there"] == best["dev_loss"]
        assert values["dev SI-SDRi (dB)"] == best["dev_si_sdri"]
        assert values["parameters"] == 1234567
        texts = dict(zip(table.columns, (cell.text for cell in row.cells), strict=True))
        assert (texts["resumed at step"], texts["device"]) == ("70", "CPU of the test")


def test_steps_left_out_and_several_devices_are_reported(tree):
    run = Run(tree.inputs)
    assert len(table_of(run).notes) == 1
    run.cards[SEPARATOR].training.update(skipped_steps=3, devices=2)
    table = table_of(run)
    assert table.notes[1].endswith(f"NaN or infinite: {SEPARATOR} 3.")
    devices = {row.heading: row.cells[-1].text for row in table.rows}
    assert devices.pop(SEPARATOR) == "2 × CPU of the test"
    assert set(devices.values()) == {"CPU of the test"}


def test_page_and_csv_have_the_same_numbers(tree, text):
    written = pd.read_csv(tree.index.parent / "tables/training.csv")
    for value in written["dev SI-SDRi (dB)"]:
        assert f">{value:.2f}<" in text
    assert "Wedges: a killed training was continued here." in text


def test_without_cards_there_are_dashes(tree):
    run = Run(replace(tree.inputs, weights={}))
    for row in table_of(run).rows:
        texts = [cell.text for cell in row.cells]
        assert texts[3] == "–" and texts[7:] == ["–", "–", "–"]


def test_early_and_late_audio_stand_beside_the_reference(tree, text):
    best = best_epoch(read_manifest(tree.inputs.histories[SEPARATOR]))["epoch"]
    players = re.findall(r"<figcaption>([^<]*)</figcaption>\s*<audio[^>]* src=\"([^\"]*)\"", text)
    assert len(players) == (1 + 3) + 3 * (1 + 9)
    ours = {label: address for label, address in players if "training-3/" in address}
    assert list(ours)[1:4] == [
        "speaker 1, first epoch",
        f"speaker 1, best epoch ({best:.0f})",
        "speaker 1, reference",
    ]
    for _, address in players:
        assert (tree.index.parent / address).is_file()
    first = tree.index.parent / ours["speaker 2, first epoch"]
    assert first.read_bytes() == (tree.inputs.samples[SEPARATOR] / "first_2.flac").read_bytes()
    assert text.count('preload="none"') == len(players)


@pytest.mark.parametrize("left", [[], ["mixture", "reference_1"]])
def test_missing_excerpts_leave_players_out(tree, tmp_path, left):
    for folder in tree.inputs.samples.values():
        for path in folder.glob("*.flac"):
            if path.stem not in left:
                path.unlink()
    models = training.content(Run(tree.inputs), Site(tmp_path / "site"))["models"]
    assert len(models) == (4 if left else 0)
    assert all([clip.label for clip in m.sources[0]] == ["reference"] for m in models)


def test_no_excerpts_at_all(tree, tmp_path):
    for folder in tree.inputs.samples.values():
        shutil.rmtree(folder)
    assert training.content(Run(tree.inputs), Site(tmp_path / "site"))["models"] == []


def test_without_a_training_there_is_a_figure_and_no_section(builder, tmp_path):
    tree, site = builder(mixtures=1).build(trained=False), Site(tmp_path / "site")
    assert training.content(Run(tree.inputs), site) is None
    assert site.figure("training_curves").exists()


@pytest.mark.parametrize("models", [0, 1, 5])
def test_curves_of_any_number_of_models(tmp_path, models):
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [3.0, 2, 1], "dev_loss": [1.0, 3, np.nan]}
    ).assign(dev_si_sdri=[1.0, 4.2, np.nan], step=[10, 20, 30])
    histories = {f"model {n}": history for n in range(models)}
    for name in ("a", "b"):
        draw_training_curves(histories, {"model 0": [5, 15]}, tmp_path / name)
    assert (tmp_path / "a").read_text().count("best: epoch 2, 4.2 dB") == models
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_resumptions_are_marked(tmp_path):
    history = pd.DataFrame({"epoch": [1, 2], "step": [10, 20], "train_loss": [2.0, 1.0]})
    history = history.assign(dev_loss=1.0, dev_si_sdri=1.0)
    for steps in ([], [15]):
        draw_training_curves({"m": history}, {"m": steps}, tmp_path / f"{len(steps)}.svg")
    plain, marked = ((tmp_path / f"{n}.svg").read_text() for n in (0, 1))
    assert marked.count("<use") == plain.count("<use") + 1
