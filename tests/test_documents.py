"""What the documents point at is there, and what they show in Python is true."""

import ast
import doctest
import pkgutil
import re
import shlex
import struct
import textwrap
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

import flowsense.testing
import flowsense.testing.mirror
from flowsense.cli.app import app
from flowsense.evaluate.results import Null, Score, SizeNull, SizeScore
from flowsense.models import MODELS
from flowsense.simulate import saved
from flowsense.simulate.market import Market, simulate
from flowsense.sources.open import FORMATS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
PLACE = re.compile(r"`((?:src|tests|scripts|docs|examples|[a-z]+/)[\w/.-]*\.(?:py|md|toml|txt))")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAME = re.compile(r"`(flowsense(?:\.\w+)+)`")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPOKEN = re.compile(r"`(flowsense [^`]+)`")
LONG = ("README", "backtest-bars", "claims", "live-and-backtest", "paper", "risk")
SLOW = {f"{name}.md": pytest.mark.slow for name in LONG}
WHOLE = get_command(app)
every = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(text, *languages):
    return [body for language, body in FENCE.findall(text) if language in languages]


def headings(text):
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@every
def test_links_lead_somewhere(document):
    for link, heading in LINK.findall(TEXTS[document.name]):
        if "://" not in link:
            target = document.parent / link if link else document
            assert target.exists(), link
            assert not heading or heading in headings(target.read_text(encoding="utf-8")), heading


@every
def test_files_named_in_the_text_exist(document):
    named = PLACE.findall(TEXTS[document.name])
    roots = (ROOT, ROOT / "src/flowsense")
    assert not [name for name in named if not any((root / name).exists() for root in roots)]


@every
def test_tests_named_in_the_text_exist(document):
    for path, name in TEST.findall(TEXTS[document.name]):
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


def promises():
    """Each, with the tests that it names, of which there are some."""
    part = TEXTS["README.md"].split("## Promises\n")[1].split("\n## ")[0]
    return [(told, TEST.findall(told)) for told in part.split("\n- ")[1:]]


def test_every_promise_is_tied_to_tests_that_there_are():
    """`test_tests_named_in_the_text_exist` says that they do; here, that none is without."""
    assert len(promises()) > 20
    assert [told for told, tests in promises() if not tests] == []
    assert all(len(told.split("\n  `")[0]) < 250 for told, _ in promises())


KEPT = {  # what nobody else prints, by a word of the promise
    "a hole that is told": "tests/live/test_faults_lost.py",
    "not whole": "tests/serve/test_faults_pipeline.py",
    "what its recording gives": "tests/serve/test_parity.py",
    "random pieces": "tests/features/test_laws.py",
    "harms no other": "tests/serve/test_crowd.py",
    "takes over": "tests/serve/test_swapping.py",
    "kill -9": "tests/live/test_recorder.py",
    "runs no code": "tests/store/test_checkpoint.py",
    "neither get in nor out": "tests/serve/test_predict.py",
    "an hour": "tests/serve/test_soak.py",
}


@pytest.mark.parametrize("words", KEPT)
def test_the_promises_of_a_live_service_are_made(words):
    (tests,) = [tests for told, tests in promises() if words in told]
    assert KEPT[words] in [path for path, _ in tests]


@every
def test_names_of_the_package_exist(document):
    for name in NAME.findall(TEXTS[document.name]):
        pkgutil.resolve_name(name)


@every
def test_laws_named_in_the_text_exist(document):
    laws = set(re.findall(r"\b(check_\w+)`", TEXTS[document.name]))
    assert laws <= {*dir(flowsense.testing), *dir(flowsense.testing.mirror)}


def commands(text):
    """Every `flowsense ...` of a document, as words."""
    lines = "\n".join(blocks(text, "sh", "console")).splitlines()
    stripped = (line.removeprefix("$ ").removeprefix(".venv/bin/") for line in lines)
    told = [line for line in stripped if line.startswith("flowsense ")]
    return [shlex.split(line)[1:] for line in [*told, *SPOKEN.findall(text)]]


@every
def test_commands_and_their_options_exist(document):
    for words in commands(TEXTS[document.name]):
        found = WHOLE
        while hasattr(found, "commands") and words and not words[0].startswith("-"):
            assert words[0] in found.commands, words
            found, words = found.commands[words[0]], words[1:]
        known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        assert not [word for word in words if word.startswith("--") and word not in known], words


def test_the_commands_that_are_run_are_there():
    told = blocks(TEXTS["README.md"], "sh")
    assert sum(body.count("flowsense ") for body in told) >= 3


@pytest.mark.parametrize(
    "document", [pytest.param(p, marks=SLOW.get(p.name, ()), id=p.name) for p in DOCUMENTS]
)
def test_examples_in_python_hold(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(document), module_relative=False, encoding="utf-8")
    shown = [body for body in blocks(TEXTS[document.name], "python") if ">>>" in body]
    assert found.failed == 0 and (found.attempted > 0) == bool(shown)


@every
def test_other_python_parses(document):
    for body in blocks(TEXTS[document.name], "python"):
        if ">>>" not in body:
            ast.parse(textwrap.dedent(body))


def layers():
    """Of the contract, those that there are."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    listed = re.findall(r"\w+", " ".join(contracts[0]["layers"]))
    there = {path.stem for path in (ROOT / "src/flowsense").iterdir()}
    return [name for name in listed if name in there]


def first_column(document, heading):
    """The names in the first cells of the first table under a heading."""
    part = TEXTS[document].split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("|")]
    return [name for cell in cells[2:] for name in re.findall(r"[\w.-]+", cell)]


def test_the_layers_are_those_of_the_contract():
    assert first_column("architecture.md", "Layers") == layers()
    readme = blocks(TEXTS["README.md"].split("## Layers")[1], "text")[0]
    assert re.findall(r"\w+", readme) == [n for n in layers() if n not in ("doctor", "bench")]


def test_the_models_and_sources_are_those_there_are():
    assert sorted(first_column("architecture.md", "Models")) == sorted(MODELS)
    assert len(first_column("architecture.md", "Sources")) == len(FORMATS)


def test_every_field_of_a_score_is_explained():
    explained = set(re.findall(r"`(\w+)`", TEXTS["metrics.md"]))
    wanted = {f.name for kind in (Score, Null, SizeScore, SizeNull) for f in fields(kind)}
    assert wanted <= explained


def test_the_picture_of_the_report_is_wide_and_light():
    content = (ROOT / "docs/report.png").read_bytes()
    assert struct.unpack(">I", content[16:20]) == (1280,)
    assert len(content) <= 300_000


PAGES = ("own.md", "hmm.md", "hawkes.md", "graph.md", "transformer.md")
NETS = ("graph.md", "transformer.md")
QUICK = {'budget="1m"': 'budget="2s"', 'budget="2m"': 'budget="2s"'}  # the same calls, sooner


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("page", PAGES)
def test_what_pages_show_of_models_runs_as_it_stands(page, tmp_path, monkeypatch):
    if page in NETS:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    saved.save(simulate(Market.tiny(), 300, 3), tmp_path / "runs/monday")
    text, names = TEXTS[page], dict[str, object]()
    for long, short in QUICK.items():
        text = text.replace(long, short)
    if page == "own.md":
        text = text.split("## Look inside a fitted model")[1].split("\n## ")[0]
    for body in blocks(text, "python"):
        exec(compile(body, page, "exec"), names)
    assert "run" in names and {"model", "state", "forecast"} & names.keys()
