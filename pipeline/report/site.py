"""The folder of the report: a page with figures, tables and assets beside it."""

import shutil
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from pipeline.base.files import replacing, write_manifest
from pipeline.report.style import inline_svg
from pipeline.report.tables import Table, frame


class Site:
    """Paths of the parts of a page, and their addresses in the page.

    Args:
        root: folder of `index.html`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        # Clips and tables of an earlier run with more of them must not remain.
        for name in ("assets", "tables"):
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)

    def figure(self, name: str) -> Path:
        """Return the path of a figure."""
        return self.root / "figures" / f"{name}.svg"

    def asset(self, name: str) -> Path:
        """Return the path of any other file; `name` may have folders."""
        return self.root / "assets" / name

    def href(self, path: Path) -> str:
        """Return the address of a file of the folder in the page."""
        return path.relative_to(self.root).as_posix()

    def copy(self, source: Path, name: str) -> str:
        """Copy a file to the assets; return its address in the page."""
        with replacing(self.asset(name)) as temporary:
            shutil.copyfile(source, temporary)
        return self.href(self.asset(name))

    def table(self, name: str, table: Table) -> Table:
        """Write a table's values as CSV; return the table with the link to them."""
        path = self.root / "tables" / f"{name}.csv"
        write_manifest(path, frame(table))
        return replace(table, csv=self.href(path))

    def inline(self, name: str) -> Markup:
        """Return a figure as part of the page."""
        # The SVG is ours and its texts were escaped by matplotlib, so that no escaping is needed.
        return Markup(inline_svg(self.figure(name), name))
