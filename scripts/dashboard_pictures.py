"""The pictures of docs/dashboard.md: the demo after a minute, as Chromium shows it.

    python scripts/dashboard_pictures.py [URL]     of a demo that is served there

Both are needed beforehand: `make dashboard` and, in another shell, `flowsense serve --demo`.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
WAIT_MS = 60_000  # until there is something to see
PICTURES = {
    "dashboard-dark": ("dark", 1280, 720),
    "dashboard-light": ("light", 1280, 720),
    "dashboard-phone": ("dark", 390, 844),
}


def main(url: str = "http://127.0.0.1:8000") -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        pages = {}
        for name, (theme, width, height) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
            )
            page.goto(url)
            page.wait_for_selector(".decision[data-sequence]")
            page.keyboard.press("+")
            pages[name] = page
        next(iter(pages.values())).wait_for_timeout(WAIT_MS)
        for name, page in pages.items():
            page.screenshot(path=DOCS / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
