"""The page as it was built: whole, small, and nothing in it that comes from elsewhere."""

import gzip
import re
from pathlib import Path

import pytest

import flowsense.serve.board

PAGE = Path(flowsense.serve.board.__file__).parent / "page"
MOST = 300_000  # bytes, compressed
# Names that are no addresses: of namespaces, and of the documentation that errors point to.
NAMES = re.compile(r"https?://www\.w3\.org/\d{4}/[\w/]+")


@pytest.fixture(scope="module")
def files():
    """name -> bytes."""
    if not (PAGE / "index.html").is_file():
        pytest.skip("the dashboard is not built: make dashboard")
    return {str(p.relative_to(PAGE)): p.read_bytes() for p in PAGE.rglob("*") if p.is_file()}


def test_it_is_small(files):
    assert sum(len(gzip.compress(data, 9, mtime=0)) for data in files.values()) <= MOST


def test_it_names_no_address_of_elsewhere(files):
    for name, data in files.items():
        text = NAMES.sub("", data.decode())

        assert re.findall(r"(?:https?:|wss?:)?//[\w-]+\.[\w.-]+", text) == [], name


def test_no_script_stands_in_a_page(files):
    for name in files:
        if not name.endswith(".html"):
            continue
        html = files[name].decode()

        assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == [], name
        assert re.findall(r"\son\w+\s*=", html) == [], name


def test_all_that_a_page_asks_for_is_there(files):
    for name in files:
        if not name.endswith(".html"):
            continue
        asked = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', files[name].decode())

        assert asked
        assert {one.removeprefix("./") for one in asked} <= set(files), name


def test_what_only_developers_need_is_left_out(files):
    text = b"".join(files.values())

    assert b"synthetic" not in text
    assert b"mulberry" not in text
