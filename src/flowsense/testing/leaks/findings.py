"""What a check has found, and how a law that raises becomes one."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one thing."""

    check: str
    what: str  # a family, a label, a model, a column, or a part of the stream
    leaks: bool
    why: str  # of a leak: which column, row, time and values; else how much was looked at


def found(check: str, what: str, law: Callable[[], str]) -> Finding:
    """A law raises AssertionError, or says how much it has looked at."""
    try:
        return Finding(check, what, False, law())
    except AssertionError as error:
        return Finding(check, what, True, sentence(error))


def sentence(error: AssertionError) -> str:
    """The first line that says anything; a law that has no words names itself."""
    said = str(error).strip().splitlines()
    return said[0] if said else "a law without words is broken"
