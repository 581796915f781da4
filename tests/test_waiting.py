"""Nothing of ours waits, or reads a clock, but through `flowsense.wall`: else no test can."""

import ast
import re
from pathlib import Path

import pytest

import flowsense

ROOT = Path(flowsense.__file__).parent
CLOCKS = ("time", "sched", "uvloop")  # modules
ASYNCIO = ("sleep", "timeout", "timeout_at", "wait_for")
METHODS = ("call_later", "call_at", "utcnow", "today", "time_ns", "perf_counter", "monotonic")
THREADS = ("Timer",)
WORDS = ("asyncio", "datetime", *METHODS, *THREADS)
SUSPECT = re.compile(rf"\b({'|'.join(WORDS)}|(import|from) ({'|'.join(CLOCKS)}))\b")


def faults(source):
    """(line, what) of everything that waits or asks for the time."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name in CLOCKS)
        elif isinstance(node, ast.ImportFrom):
            known = {"asyncio": ASYNCIO, "threading": THREADS}.get(node.module or "", ())
            names = [a.name for a in node.names]
            bad = names if node.module in CLOCKS else [name for name in names if name in known]
            yield from ((node.lineno, f"{node.module}.{name}") for name in bad)
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if (
                (owner == "asyncio" and node.attr in ASYNCIO)
                or (owner == "threading" and node.attr in THREADS)
                or (owner in ("datetime", "date") and node.attr == "now")
                or node.attr in METHODS
            ):
                yield node.lineno, f"{owner}.{node.attr}"


def test_only_wall_waits_and_reads_clocks():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in sorted(ROOT.rglob("*.py"))
        if path != ROOT / "wall.py"
        if SUSPECT.search(source := path.read_text())
        for line, what in faults(source)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import sleep",
        "from asyncio import Queue, wait_for",
        "await asyncio.sleep(1)",
        "asyncio.timeout(3)",
        "loop.call_later(1, f)",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "threading.Timer(1, f)",
    ],
)
def test_what_waits_is_found(source):
    assert SUSPECT.search(source)
    assert list(faults(source))


@pytest.mark.parametrize("source", ["pause(1)", "import asyncio", "book.time", "x.timeout"])
def test_what_does_not_wait_is_no_fault(source):
    assert not list(faults(source))
