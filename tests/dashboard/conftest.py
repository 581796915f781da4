"""A browser and the servers that it looks at: processes of their own, as a user starts them."""

import gc
import shutil
from importlib.resources import files

import pytest
from dashboard.servers import showing

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items):
    """Each is slow: it is a browser that looks at a server."""
    for item in items:
        if item.path.parent.name == "dashboard":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser():
    """One for each file: while Playwright is there, no other loop may run on this thread.

    A wider scope would be over only with the last test of a worker, whatever it is given between.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: apt install chromium")
    if not (files("flowsense.serve.board") / "page" / "index.html").is_file():
        pytest.skip("the page is not built: make dashboard")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield found
        found.close()
    gc.collect()


@pytest.fixture
def opened(browser):
    """``page = opened(url, theme=, size=, before=)``: nothing may go wrong in it unheard."""
    contexts, wrong = [], []

    def open(url, theme="dark", size=(1280, 720), before=id):
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        before(page)
        page.goto(url)
        page.wait_for_selector(".decision[data-sequence]", timeout=20_000)
        return page

    yield open
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """`serve --demo`, of all tests of this folder."""
    with showing(tmp_path_factory.mktemp("demo")) as found:
        yield found
