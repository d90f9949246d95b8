"""Write the report: one page that works offline, with its assets beside it."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.base.files import write_text
from pipeline.report.inputs import ReportInputs
from pipeline.report.names import any_of, counted, metric_of, number
from pipeline.report.run import Run
from pipeline.report.site import Site

SECTIONS = (
    "matrix",
    "counts",
    "comparisons",
    "denoisers",
    "dry",
    "breakdown",
    "listen",
    "latency",
    "training",
    "method",
    "provenance",
)
"""From top to bottom: each is a module of `sections` and a template of the same name."""


class Section(NamedTuple):
    """A part of the page: its anchor, its heading and the content for its template."""

    name: str
    title: str
    body: Markup


def write_report(inputs: ReportInputs, index: Path) -> None:
    """Write the page, its audio, its figures and its tables.

    The folder that holds them can be moved as a whole and opened without a network. The same
    inputs give the same bytes as long as the packages are the same and no clip is Ogg.

    Args:
        inputs: the run's files.
        index: the page to write; `assets/`, `figures/` and `tables/` are made beside it.

    Raises:
        PipelineError: a table or an audio file is missing or cannot be read.
    """
    run, site = Run(inputs), Site(index.parent)
    templates = _templates(site)
    sections = list(_sections(run, site, templates))
    page = templates.get_template("page.html").render(
        title=run.config.get("report", {}).get("title") or run.answer["question"],
        answer=run.answer,
        settings=settings_line(run),
        sections=sections,
        style=_static("css"),
        script=_static("js"),
    )
    write_text(index, page + "\n")


def _sections(run: Run, site: Site, templates: Environment) -> Iterator[Section]:
    shared = {
        "confidence": run.percent,
        "metric": metric_of(run.metric or "si_sdri"),
    }
    for name in SECTIONS:
        module = import_module(f"pipeline.report.sections.{name}")
        content = module.content(run, site)
        if content is not None:
            body = templates.get_template(f"{name}.html").render(**shared, **content)
            yield Section(name, module.TITLE, Markup(body))


def settings_line(run: Run) -> str:
    """Return the corpus and the main settings in one line."""
    mixtures, config = run.mixtures, run.config
    rate, drawn = run.sample_rate, config.get("mixtures", {})
    minutes = mixtures["length"].sum() / rate / 60
    parts = [
        f"{config.get('corpora', {}).get('kind', 'unnamed')} corpus",
        f"{counted(len(mixtures), 'test mixture')}, {number(minutes, 1)} min",
        _speakers(drawn.get("num_speakers", "?")),
        f"{rate / 1000:g} kHz",
        *_noise_line(run, drawn.get("noise_rule")),
        f"seed {run.seed}",
    ]
    return " · ".join(parts)


def _speakers(number: Any) -> str:
    """The number of speakers of a mixture, or what it may be."""
    return f"{any_of(number)} speakers" if isinstance(number, list) else counted(number, "speaker")


def _noise_line(run: Run, rule: str | None) -> list[str]:
    if "noise_snr" not in run.mixtures or run.mixtures["noise_snr"].isna().all():
        return []
    ends = (number(run.mixtures["noise_snr"].quantile(q), 1, sign=True) for q in (0, 1))
    return [
        f"noise at {' to '.join(dict.fromkeys(ends))} dB SNR" + (f" ({rule} rule)" if rule else "")
    ]


def _templates(site: Site) -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["figure"] = site.inline
    return environment


def _static(suffix: str) -> Markup:
    """All stylesheets or scripts of the package as one text, in the order of their names."""
    files = sorted((Path(__file__).parent / "static").glob(f"*.{suffix}"))
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))
