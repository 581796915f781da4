"""What the documents point at is there, and what they show in Python is true."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"")
PLACE = re.compile(r"`((?:src|tests|scripts|docs|[a-z]+/)[\w/.-]*\.(?:py|md|toml|txt))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = [a or b for a, b in LINK.findall(document.read_text(encoding="utf-8"))]
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_the_text_exist(document):
    named = PLACE.findall(document.read_text(encoding="utf-8"))
    roots = (ROOT, ROOT / "src/flowsense")
    assert not [name for name in named if not any((root / name).exists() for root in roots)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_examples_in_python_hold(document):
    assert doctest.testfile(str(document), module_relative=False).failed == 0
