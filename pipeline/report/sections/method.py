"""The section that explains how the numbers are made."""

from typing import Any

from pipeline.report.names import metrics_in
from pipeline.report.run import Run
from pipeline.report.site import Site

TITLE = "How the numbers are made"


def content(run: Run, site: Site) -> dict[str, Any]:
    """Return the settings on which the text depends."""
    evaluation = run.config.get("evaluation", {})
    trainings = run.config.get("training", {}).get("repeats", 1)
    return {
        "draws": evaluation.get("bootstrap_samples"),
        "metrics": metrics_in(run.summary),
        "trainings": trainings,
    }
