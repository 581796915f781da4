"""What a setting may be. All raise InputError."""

from math import isfinite

from flowsense.errors import InputError


def within(name: str, x: float, low: float, high: float) -> None:
    if not low <= x <= high:
        raise InputError(f"{name} {x}: give a number from {low:g} to {high:g}")


def share(name: str, x: float) -> None:
    if not 0.0 < x <= 1.0:
        raise InputError(f"{name} {x}: give a share above 0 and at most 1")


def positive(name: str, x: float) -> None:
    if not (isfinite(x) and x > 0):
        raise InputError(f"{name} {x}: give a number above 0")
