"""A page with a few sections only."""

from pathlib import Path

import pytest

from pipeline.report import page
from pipeline.report.inputs import ReportInputs


def rendered(inputs: ReportInputs, index: Path, *sections: str) -> str:
    """Write the page with these sections; return its text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "SECTIONS", sections)
        page.write_report(inputs, index)
    return index.read_text(encoding="utf-8")
