"""The section of trainings: curves, and a recording at an early and a late epoch."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from pipeline.report.figures.training_curves import best_epoch, draw_training_curves
from pipeline.report.names import condition_label
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.tables import Cell, Row, Table, plain

TITLE = "Training"


class Clip(NamedTuple):
    """One player: its label, and the address of its file."""

    label: str
    audio: str


class Model(NamedTuple):
    """A model's dev recording: its input, and for each source the clips to compare."""

    name: str
    given: Clip
    sources: list[list[Clip]]


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return the curves, a table of the trainings, and early beside late audio."""
    histories = {name: history for name, history in run.histories.items() if len(history)}
    resumed = {name: _facts(run, name).get("resumed_at", []) for name in histories}
    draw_training_curves(histories, resumed, site.figure("training_curves"))
    if not histories:
        return None
    return {
        "training": site.table("training", training_table(run, histories)),
        "models": list(samples(run, site, histories)),
        "resumed": any(resumed.values()),
    }


def _facts(run: Run, name: str) -> dict[str, Any]:
    """The training facts in a model's weights file; empty if there is none."""
    return run.cards[name].training if name in run.cards else {}


def training_table(run: Run, histories: dict[str, pd.DataFrame]) -> Table:
    """Return a table of the results of each training."""
    columns = ["epochs", "steps", "minutes", "segments/s", "best epoch", "dev loss there"]
    columns += ["dev SI-SDRi (dB)", "parameters", "resumed at step", "device"]
    rows = [_trained(name, history, _facts(run, name)) for name, history in histories.items()]
    notes = [
        "Segments/s: training segments per second, in a time that includes the scoring of dev."
    ]
    skipped = {name: _facts(run, name).get("skipped_steps") for name in histories}
    if any(skipped.values()):
        counts = ", ".join(f"{name} {count}" for name, count in skipped.items() if count)
        notes.append(f"Steps left out, their loss or gradients NaN or infinite: {counts}.")
    changed = [name for name in histories if len(_facts(run, name).get("programs", [])) > 1]
    if changed:
        notes.append(
            f"Resumed by other code or libraries than they began with: {', '.join(changed)}."
        )
    return Table("Training of each model", "model", columns, rows, notes)


def _trained(name: str, history: pd.DataFrame, facts: dict[str, Any]) -> Row:
    steps, seconds = history[["step", "seconds"]].max()
    best = best_epoch(history)
    batch = facts.get("settings", {}).get("batch_size")
    parameters = facts.get("parameters")
    cells = [
        plain(len(history)),
        plain(steps),
        plain(seconds / 60, 1),
        plain(batch * steps / seconds if batch and seconds else None, 1),
        *(
            plain(None if best is None else best[column], digits)
            for column, digits in {"epoch": 0, "dev_loss": 2, "dev_si_sdri": 2}.items()
        ),
        Cell(f"{parameters:,}".replace(",", " "), value=parameters) if parameters else Cell("–"),
        Cell(", ".join(map(str, facts.get("resumed_at", []))) or "–"),
        Cell(_device(facts), kind="words"),
    ]
    return Row(name, cells)


def _device(facts: dict[str, Any]) -> str:
    several = f"{facts['devices']} × " if facts.get("devices", 1) > 1 else ""
    return several + str(facts.get("device", "–"))


def samples(run: Run, site: Site, histories: dict[str, pd.DataFrame]) -> Iterator[Model]:
    """Copy the excerpts that trainings kept to the page's assets, if they exist."""
    for number, (name, history) in enumerate(histories.items(), 1):
        taken = {path.stem: path for path in sorted(run.inputs.samples[name].glob("*.flac"))}
        if "mixture" in taken:
            clips = {
                stem: site.copy(path, f"training-{number}/{path.name}")
                for stem, path in taken.items()
            }
            sources = [stem.split("_")[1] for stem in clips if stem.startswith("reference_")]
            condition = condition_label(_facts(run, name).get("condition", "noisy"))
            given = Clip(f"input: {condition}", clips["mixture"])
            several = len(sources) > 1
            yield Model(name, given, [_source(history, clips, k, several) for k in sources])


def _source(history: pd.DataFrame, clips: dict[str, str], source: str, several: bool) -> list[Clip]:
    best = best_epoch(history)
    late = "" if best is None else f" ({best['epoch']:.0f})"
    labels = {"first": "first epoch", "best": f"best epoch{late}", "reference": "reference"}
    of = f"speaker {source}, " if several else ""
    return [
        Clip(of + label, clips[f"{kind}_{source}"])
        for kind, label in labels.items()
        if f"{kind}_{source}" in clips
    ]
