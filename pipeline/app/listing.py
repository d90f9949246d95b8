"""What there is: networks by name, facts of a file, the report of a run."""

import json
from pathlib import Path
from typing import Any

from pipeline.app.networks import published
from pipeline.app.tracks import in_db, in_file, measure
from pipeline.base.errors import PipelineError
from pipeline.models import entry_of, look_ahead
from pipeline.models.card import Card, read_card
from pipeline.weights import FILE, locate, shipped

REPORT = "report/index.html"


def show_models(as_json: bool) -> None:
    """Print the networks that ship, and the published ones with what they need."""
    rows = [{"name": name} | _of_card(read_card(locate(name))) for name in shipped()]
    rows += [{"name": name} | _of_package(name) for name in published()]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['name']:<18}{_in_words(row)}")


def show_file(name: str, as_json: bool) -> None:
    """Print the facts of a recording, or of a network: its name, its folder, or its file.

    Raises:
        PipelineError: it is neither, or cannot be read.
    """
    path = Path(name)
    is_network = name in shipped() or path.is_dir() or path.suffix == Path(FILE).suffix
    facts = _of_card(read_card(locate(name))) if is_network else _of_recording(path)
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for key, value in facts.items():
        if isinstance(value, list | dict):  # of a network, and long
            continue
        print(f"{key.replace('_', ' ')}: {value}")


def show_report(results: str) -> None:
    """Print where the report of a run is.

    Raises:
        PipelineError: there is none.
    """
    page = Path(results) / REPORT
    if not page.is_file():
        raise PipelineError(f"{page}: no such report; run the workflow, or give its results folder")
    print(page.absolute())


def _of_card(card: Card) -> dict[str, Any]:
    ahead = look_ahead(card.model, card.arguments, card.sample_rate)
    facts: dict[str, Any] = {
        "task": "denoise" if card.num_sources == 1 else "separate",
        "sources": card.num_sources,
        "sample_rate": card.sample_rate,
        "network": card.model,
        "parameters": card.training.get("parameters"),
        "look_ahead_seconds": ahead,
        "arguments": card.arguments,
        "licences": card.training.get("licences", []),
    }
    return facts


def _of_package(name: str) -> dict[str, Any]:
    entry = entry_of(name)
    package = entry.package
    return {
        "task": "denoise",
        "sources": 1,
        "sample_rate": (entry.sample_rates or (None,))[0],
        "network": name,
        "parameters": package.parameters if package else 0,
        "look_ahead_seconds": look_ahead(name, {}, entry.rate_for(16_000)),
        "missing": package.missing if package else None,
    }


def _of_recording(path: Path) -> dict[str, Any]:
    measured = measure(in_file(path))
    header = measured.header
    return {
        "sample_rate": header.sample_rate,
        "channels": header.channels,
        "samples": measured.samples,
        "seconds": round(measured.samples / header.sample_rate, 3),
        "format": f"{header.format} {header.subtype}",
        "rms_dbfs": in_db(measured.rms),
        "peak_dbfs": in_db(measured.peak),
        **header.tags,
    }


def _in_words(row: dict[str, Any]) -> str:
    does = "denoises" if row["sources"] == 1 else f"separates {row['sources']} speakers"
    rate = f"{row['sample_rate']} Hz" if row["sample_rate"] else "any rate"
    size = f"{row['parameters'] / 1e6:.2f} M parameters" if row["parameters"] else "no parameters"
    missing = f"; {row['missing']}" if row.get("missing") else ""
    return f"{does}, {rate}, {size}{missing}"
