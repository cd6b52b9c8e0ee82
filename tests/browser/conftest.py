from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from digits_study import drawn_by_seed, staged, study_of_pictures
from workshop import Workshop, study_of_words

from lab.report.build import build
from lab.report.maps import map_sources

SOFTWARE_WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    """The system's Chromium, drawing WebGL without a graphics card. Missing, the tests skip; in CI they fail."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        reason = "there is no Chromium on the path; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": executable, "headless": True, "args": ["--no-sandbox", *SOFTWARE_WEBGL]}


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[[Callable[[Workshop], object]], Path]:
    """Build the page of a study that a function makes, in a folder of its own."""

    def build_once(study: Callable[[Workshop], object]) -> Path:
        folder = tmp_path_factory.mktemp("report")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAB_HOME", str(folder))
            patch.chdir(folder)
            return build(study(Workshop(folder)))

    return build_once


@pytest.fixture(scope="session")
def words_report(built) -> Path:
    """A report of three maps, built once."""
    return built(study_of_words)


@pytest.fixture(scope="session")
def pictures_report(built) -> Path:
    """Two maps of digits with pictures, metadata of every kind, a second drawing on one and stages on the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.report.build.map_sources", lambda *rows: staged(map_sources(*rows)))
        patch.setattr("lab.embeddings.projection.umap_coordinates", drawn_by_seed)
        return built(study_of_pictures)


@pytest.fixture
def workshop(home) -> Workshop:
    return Workshop(home)


@pytest.fixture
def opened(page):
    """Open a report from disk with the network off; `opened.complaints` holds what went wrong in it."""
    page.context.set_offline(True)
    return Opened(page)


@pytest.fixture(scope="module")
def shared(browser):
    """As `opened`, one page for all tests of a module: they leave it as it was."""
    page = browser.new_page(reduced_motion="reduce")
    page.context.set_offline(True)
    yield Opened(page)
    page.close()


class Opened:
    def __init__(self, page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._note)

    def __call__(self, path: Path, maps: str = "ready"):
        self.address = path.as_uri()
        self.page.goto(self.address)
        self.page.wait_for_selector(f"html[data-maps={maps}]", timeout=60_000)
        return self.page

    def saved(self, button) -> list[list[str]]:
        """The table that a button or link saves."""
        with self.page.expect_download() as download:
            button.click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        return list(csv.reader(io.StringIO(text)))

    def _hear(self, message) -> None:
        # A hint of the software graphics driver about its own speed comes and goes, and is nothing that the page did.
        if "GL Driver Message (OpenGL, Performance" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _note(self, request) -> None:
        if request.url != self.address and not request.url.startswith(("data:", "blob:")):
            self.complaints.append(f"request: {request.url}")
