"""What docs/api.md says."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest
from serving import running

from flowsense.serve.app import STREAM
from flowsense.serve.openapi import document
from flowsense.serve.settings import Limits

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")


def test_every_limit_is_told():
    told = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)
    assert {name: float(value) for name, value in told} == asdict(Limits())


def test_every_path_is_told():
    told = set(re.findall(r"^\| `(GET|POST) (\S+)`", PAGE, re.MULTILINE))
    paths = document()["paths"].items()
    there = {(method.upper(), path) for path, methods in paths for method in methods}
    assert told == there | {("GET", STREAM), ("GET", "/docs")}


@pytest.mark.slow
def test_what_the_page_shows_of_the_client_runs_as_it_stands(capsys):
    body = re.search(r"```python\n(.*?)```", PAGE.split("## From Python")[1], re.DOTALL)[1]
    with running() as server:
        server.advance(400)
        exec(body.replace("http://127.0.0.1:8000", server.url), {})
    out = capsys.readouterr().out
    assert "running" in out and "unknown_instrument" in out and "1 False" in out
