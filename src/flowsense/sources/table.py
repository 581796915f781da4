"""Comma-separated whole numbers from text to int64, exactly: no float is ever made."""

from pathlib import Path

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel
from flowsense.errors import InputError

COMMA, MINUS, POINT, ZERO, NEWLINE, RETURN = b",-.0\n\r"
DIGITS = 18  # that int64 always holds


@kernel
def number(text: Record, i: int, decimals: int) -> tuple[int, int]:
    """-> (number * 10**decimals, where it ends; there -1 if there is none).

    What lies behind the last decimal is the rounding noise of whoever wrote it, and is rounded.
    """
    negative = i < len(text) and text[i] == MINUS
    i += negative
    start, point, value, up = i, -1, 0, 0
    while i < len(text):
        digit = int(text[i]) - ZERO
        if 0 <= digit <= 9:
            if point < 0 or i - point <= decimals:
                value = value * 10 + digit
            elif i - point == decimals + 1 and digit >= 5:
                up = 1
        elif text[i] == POINT and decimals > 0 and point < 0 and i > start:
            point = i
        else:
            break
        i += 1
    missing = decimals if point < 0 else max(decimals - (i - point - 1), 0)
    whole = (i if point < 0 else point) - start
    if whole == 0 or i == point + 1 or whole + decimals > DIGITS:
        return 0, -1
    value = value * 10**missing + up
    return -value if negative else value, i


@compiled(types.int64(array("i1", readonly=True), array("i8", readonly=True), array("i8", 2)))
def fill(text: Record, decimals: Record, out: Record) -> int:
    """-> cells read: fewer than there are means that the next one is at fault."""
    i, last, cells = 0, out.shape[1] - 1, 0
    for r in range(out.shape[0]):
        for c in range(last + 1):
            value, i = number(text, i, decimals[c])
            if i < 0:
                return cells
            out[r, c] = value
            if c == last and i < len(text) and text[i] == RETURN:
                i += 1
            if i < len(text) and text[i] != (NEWLINE if c == last else COMMA):
                return cells
            i, cells = i + 1, cells + 1
    return cells


def parse(data: bytes, decimals: tuple[int, ...], path: Path, first: int) -> NDArray[np.int64]:
    """(rows, len(decimals)) int64, column c times 10**decimals[c]; `first` numbers the first row.

    Raises InputError naming the row and the cell that is no such number.
    """
    rows = data.count(b"\n") + (len(data) > 0 and not data.endswith(b"\n"))
    out = np.empty((rows, len(decimals)), np.int64)
    done: int = fill(np.frombuffer(data, np.int8), np.array(decimals), out)
    if done < out.size:
        row, column = divmod(done, len(decimals))
        cells = data.split(b"\n")[row].decode(errors="replace").rstrip("\r").split(",")
        if len(cells) != len(decimals):
            raise InputError(
                f"{path}: row {first + row} has {len(cells)} columns, not {len(decimals)}: "
                "download the file again, or check the levels in its name"
            )
        raise InputError(
            f"{path}: row {first + row}, column {column + 1}: {cells[column][:40]!r} is not "
            f"{'a number' if decimals[column] else 'a whole number'}: correct or remove the row"
        )
    return out
