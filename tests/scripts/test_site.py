"""The site: each page is built, links lead to pages and headings, nothing comes from elsewhere."""

import re
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = spec_from_file_location("site_script", ROOT / "scripts/site.py")
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


class Page(HTMLParser):
    """What a page refers to, and the places in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.ids.add(told.get("id"))
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag in ("script", "link", "img", "iframe") and told.get("rel") != "canonical":
            self.loads += [told[name] for name in ("src", "href") if told.get(name)]


@pytest.fixture(scope="module")
def pages(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    script.build(folder)
    return {path: Page(path) for path in folder.rglob("*.html") if path.name != "404.html"}


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_a_heading_of_it(pages):
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if not parts.scheme:
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                assert target.exists(), (path.name, link)
                found = not parts.fragment or unquote(parts.fragment) in pages[target].ids
                assert found, (path.name, link)


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(pages):
    assert not [x for page in pages.values() for x in page.loads if urlsplit(x).netloc]


@pytest.mark.slow
def test_no_place_of_the_sources_is_left_in_a_link(pages):
    assert not [x for page in pages.values() for x in page.links if re.search(r"\.(md|py)\b", x)]


def test_the_navigation_holds_every_page(script):
    told = re.findall(r"\S+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    made = {str(p) for p in script.places().values() if p.suffix == ".md"}
    assert set(told) == made and len(told) == len(set(told))


@pytest.mark.parametrize(
    ("source", "text", "page"),
    [
        ("README.md", "[a](docs/data.md#candles)", "[a](data.md#candles)"),
        ("README.md", "[a](LICENSE), [b](examples)", "[a](license.md), [b](own.md)"),
        ("docs/own.md", "[a](../examples/candles.py)", "[a](examples/candles.md)"),
        ("docs/own.md", "[a](https://x.org/a.md) [b](#here)", "[a](https://x.org/a.md) [b](#here)"),
    ],
)
def test_links_are_led_to_pages(script, source, text, page):
    assert script.led(text, ROOT / source, script.places()) == page


def test_a_link_out_of_the_site_is_an_error(script):
    with pytest.raises(SystemExit, match=r"docs/own\.md: \.\./src/flowsense is no page"):
        script.led("[a](../src/flowsense)", ROOT / "docs/own.md", script.places())
