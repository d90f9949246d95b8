"""Writes the report: one page that works offline, with its assets beside it."""

import json
import os
import platform
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.files import read_json, read_manifest, write_text
from pipeline.report import figures as draw
from pipeline.report import tables
from pipeline.report.examples import make_examples
from pipeline.report.inputs import ReportInputs
from pipeline.report.names import headline, main_system, metric_of, number, system, system_label
from pipeline.report.style import inline_svg

PACKAGES = (
    "denoise-then-separate",
    "asteroid",
    "fast-bss-eval",
    "numpy",
    "pandas",
    "pesq",
    "pystoi",
    "scipy",
    "snakemake",
    "soundfile",
    "torch",
)


def write_report(inputs: ReportInputs, index: Path, figures: Path) -> None:
    """Write the page, its audio and its figures.

    The folder that holds all three can be moved as a whole and opened without a network. The
    same inputs give the same bytes as long as the packages are the same.

    Args:
        inputs: the run's files.
        index: the page to write; `assets/` is made anew beside it.
        figures: folder for `matrix.svg`, `training_curves.svg` and `latency.svg`.

    Raises:
        PipelineError: a table or an audio file is missing or cannot be read.
    """
    summary, latency = read_manifest(inputs.summary), _rows(inputs.latency)
    histories = {name: _rows(path) for name, path in inputs.histories.items()}
    draw.matrix(summary, figures / "matrix.svg")
    draw.training_curves(histories, figures / "training_curves.svg")
    draw.latency_histogram(latency, figures / "latency.svg")
    # Clips of an earlier run with more examples must not stay behind.
    assets = index.parent / "assets"
    shutil.rmtree(assets, ignore_errors=True)
    assets.mkdir(parents=True)
    answer = read_json(inputs.answer)
    content = {
        "title": inputs.config.get("report", {}).get("title", answer["question"]),
        "answer": answer,
        "settings": settings_line(inputs),
        "main": _named_main(summary),
        "metric": metric_of(headline(summary) or "si_sdri"),
        "confidence": _percent(inputs.config),
        "draws": inputs.config.get("evaluation", {}).get("bootstrap_samples"),
        "matrices": tables.matrix_tables(summary),
        "metrics": tables.metric_table(summary),
        "denoisers": tables.denoiser_table(summary),
        "comparisons": tables.comparison_tables(_rows(inputs.comparisons)),
        "training": tables.training_table(histories),
        "total_latency": tables.total_latency_table(latency),
        "latency": tables.latency_table(_rows(inputs.latency_summary)),
        "examples": make_examples(inputs, index.parent),
        "figure": _figure_reader(figures),
        "figures_at": Path(os.path.relpath(figures, index.parent)).as_posix(),
        "licences": inputs.licences,
        "config_text": json.dumps(inputs.config, indent=2, ensure_ascii=False, default=str),
        "versions": package_versions(),
    }
    write_text(index, _render(content))


def settings_line(inputs: ReportInputs) -> str:
    """The corpus and the settings that a reader must know, in one line."""
    mixtures, config = read_manifest(inputs.mixtures), inputs.config
    rate, drawn = config.get("sample_rate", 8000), config.get("mixtures", {})
    minutes = mixtures["length"].sum() / rate / 60
    parts = [
        f"{config.get('corpora', {}).get('kind', 'unnamed')} corpus",
        f"{len(mixtures)} test mixtures, {number(minutes, 1)} min",
        f"{drawn.get('num_speakers', '?')} speaker{'s' * (drawn.get('num_speakers') != 1)}",
        f"{rate / 1000:g} kHz",
        *_noise_line(mixtures, drawn.get("noise_rule")),
        f"seed {config.get('seed', 0)}",
    ]
    return " · ".join(parts)


def _noise_line(mixtures: pd.DataFrame, rule: str | None) -> list[str]:
    if "noise_snr" not in mixtures or mixtures["noise_snr"].isna().all():
        return []
    ends = (number(mixtures["noise_snr"].quantile(q), 1, sign=True) for q in (0, 1))
    return [
        f"noise at {' to '.join(dict.fromkeys(ends))} dB SNR" + (f" ({rule} rule)" if rule else "")
    ]


def package_versions() -> dict[str, str]:
    """Versions of Python and of what the numbers depend on, as installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _rows(path: Path) -> pd.DataFrame:
    """A table that may well hold nothing; pandas writes an empty frame as a bare line end."""
    return read_manifest(path) if path.stat().st_size > 2 else pd.DataFrame(columns=_COLUMNS)


# What the tables and figures look at before they notice that there is no row.
_COLUMNS = ["stage", "model", "tested", "mixture_id", "latency_ms", "system", "metric"]


def _named_main(summary: pd.DataFrame) -> str:
    name = main_system(summary)
    parsed = system(name) if name else None
    return f"{parsed.separator}, {system_label(str(name))}" if parsed else ""


def _percent(config: dict[str, Any]) -> str:
    return f"{100 * config.get('evaluation', {}).get('confidence', 0.95):g} %"


def _figure_reader(folder: Path) -> Callable[[str], Markup]:
    # The SVG is ours and its texts were escaped by matplotlib, so it may pass the escaping.
    return lambda name: Markup(inline_svg(folder / f"{name}.svg", name))


def _render(content: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup(environment.loader.get_source(environment, "style.css")[0])  # type: ignore[union-attr]
    return environment.get_template("page.html").render(style=style, **content) + "\n"
