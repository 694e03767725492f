"""The docs site in headless Chromium: every page and link, the search, and the width of a phone.

Run by `make extra WHAT=browser`, which installs Playwright and MkDocs; the browser is the system's own.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urldefrag, urlsplit

import pytest

import langchain_stepplan
import llama_index_stepplan
import stepplan

playwright = pytest.importorskip("playwright.sync_api", reason="installed by `make extra WHAT=browser` alone")
pytestmark = pytest.mark.live  # not part of `make test`: it takes minutes

ROOT = Path(__file__).parents[2]
PAGES = [
    "" if name == "index" else f"{name}/"
    for page in sorted((ROOT / "docs").glob("**/*.md"))
    if page.parent.name != "_reliability"  # sections of reliability.md
    for name in [page.relative_to(ROOT / "docs").with_suffix("").as_posix()]
]
PAGES += [f"notebooks/{notebook.stem}/" for notebook in sorted((ROOT / "notebooks").glob("*.ipynb"))]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

TOO_WIDE = """
[...document.querySelectorAll("article *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 100))
    .slice(0, 5)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site = str(tmp_path_factory.mktemp("site"))
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", site]
    subprocess.run(build, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"no browser is installed; any of these will do: {', '.join(BROWSERS)}"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A tab that keeps what goes wrong in it, and lets no request out to another host."""

    def __init__(self, context: Any, address: str) -> None:
        self.address = address
        self.faults: list[str] = []
        context.route(lambda url: not url.startswith((address, "data:", "blob:")), self._refuse)
        self.tab = context.new_page()
        self.tab.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.tab.on("console", self._note_console)
        self.tab.on("response", self._note_status)

    def _note_console(self, line: Any) -> None:
        if line.type == "error":
            self.faults.append(f"console: {line.text}")

    def _note_status(self, response: Any) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def _refuse(self, route: Any) -> None:
        self.faults.append(f"asks another host: {route.request.url}")
        route.abort()

    def open(self, path: str, until: str = "networkidle") -> Any:
        self.tab.goto(self.address + path, wait_until=until)
        return self.tab


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def visitor(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Visitor]:
    context = browser.new_context(viewport=request.param)
    context.set_default_timeout(20_000)
    yield Visitor(context, address)
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_whole_from_its_own_host_and_fits_the_width(visitor: Visitor, path: str) -> None:
    tab = visitor.open(path)
    assert visitor.faults == []
    assert tab.locator("article h1").count() == 1
    assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), tab.evaluate(TOO_WIDE)


def test_every_internal_link_leads_to_a_page_and_a_heading(browser: Any, address: str) -> None:
    visitor = Visitor(browser.new_context(viewport=DESK), address)
    links: dict[str, str] = {}
    anchors: dict[str, set[str]] = {}
    waiting = [address]
    while waiting:
        url = waiting.pop()
        tab = visitor.open(url.removeprefix(address), until="load")
        anchors[url] = set(tab.evaluate("[...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"))
        found = tab.evaluate("[...document.querySelectorAll('a[href]')].map(e => e.href)")
        for link in found:
            page = urldefrag(link).url
            if (
                link.startswith(address)
                and page not in (*anchors, *waiting)
                and not urlsplit(page).path.endswith(".xml")
            ):
                waiting.append(page)
            links.setdefault(link, url)
    visitor.tab.context.close()
    assert visitor.faults == []
    assert {address + path for path in PAGES} <= anchors.keys(), "a page that no link leads to"
    internal = {link: source for link, source in links.items() if link.startswith(address)}
    assert len(internal) > 100
    missing = {
        link: source
        for link, source in internal.items()
        if (fragment := urldefrag(link).fragment) and fragment not in anchors[urldefrag(link).url]
    }
    assert missing == {}


@pytest.mark.parametrize(
    ("path", "module"), [("langchain", langchain_stepplan), ("llamaindex", llama_index_stepplan), ("core", stepplan)]
)
def test_the_reference_has_every_public_name(browser: Any, address: str, path: str, module: ModuleType) -> None:
    visitor = Visitor(browser.new_context(), address)
    tab = visitor.open(f"reference/{path}/", until="load")
    named = set(tab.evaluate("[...document.querySelectorAll('h2[id], h3[id]')].map(e => e.id)"))
    visitor.tab.context.close()
    missing = {name for name in module.__all__ if f"{module.__name__}.{name}" not in named} - {"__version__"}
    assert missing == set()


def test_the_search_finds_and_opens_a_page(visitor: Visitor) -> None:
    tab = visitor.open("")
    if tab.viewport_size["width"] < DESK["width"]:
        tab.locator("header label[for=__search]").first.click()
    tab.locator("input.md-search__input").press_sequentially("Retry-After", delay=30)
    tab.locator(".md-search-result__link[href*='/how-to/errors/'][href$='#what-is-retried']").click()
    tab.wait_for_url("**/how-to/errors/**")
    tab.locator("article mark").first.wait_for(state="visible")
    assert visitor.faults == []
