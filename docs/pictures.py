"""Take the pictures of docs/ from a finished run's report: `python docs/pictures.py results`."""

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

DOCS = Path(__file__).parent
COLOURS = 128  # of a picture's palette: a third of the size, no difference to the eye


class Picture(NamedTuple):
    """What is taken: screen in pixels, colour scheme, from where on."""

    name: str
    width: int
    height: int
    scheme: str = "light"
    anchor: str = "header"


PICTURES = (
    Picture("report", 1160, 1060),
    Picture("report-compare", 1160, 1060, "light", "#comparisons figure"),
    Picture("report-listen", 1160, 1060, "light", ".example"),
    Picture("report-phone", 390, 1060, "dark", "#matrix"),
)


def main() -> None:
    """Write the pictures beside this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="results folder of a finished run")
    index = parser.parse_args().results.resolve() / "report" / "index.html"
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for picture in PICTURES:
            take(browser, index, picture)
        browser.close()


def take(browser: Browser, index: Path, picture: Picture) -> None:
    """Write one picture as a PNG with a small palette."""
    page = browser.new_page(
        viewport={"width": picture.width, "height": picture.height}, color_scheme=picture.scheme
    )
    page.goto(index.as_uri())
    page.wait_for_selector(".plot.scatter .point", state="attached")
    page.evaluate(
        "anchor => scrollTo({top: anchor === 'header' ? 0 : document.querySelector(anchor)"
        ".getBoundingClientRect().top - 20, behavior: 'instant'})",
        picture.anchor,
    )
    page.wait_for_timeout(500)
    path = DOCS / f"{picture.name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    page.close()


if __name__ == "__main__":
    main()
