"""A headless Chromium, as installed on the machine."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "google-chrome", "chromium-browser")
# A page may play sound without a user's gesture, so that tests can start it freely.
OPTIONS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests; they are skipped if none is installed, but fail in CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"none of {', '.join(NAMES)} is installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def visit(browser):
    """`visit(path)` opens a file as a page; the test fails on any error or request of the page."""
    said, asked, contexts = [], [], []

    def open_page(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def lengths_of_players(page):
    """Load the sound of every player; return their lengths in s, 0 if one cannot be played."""
    return page.locator("audio").evaluate_all(
        """all => Promise.all(all.map(audio => new Promise(resolve => {
          audio.addEventListener('canplaythrough', () => resolve(audio.duration));
          audio.addEventListener('error', () => resolve(0));
          audio.preload = 'auto'; audio.load();
        })))"""
    )
