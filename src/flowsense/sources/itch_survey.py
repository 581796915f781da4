"""What is looked up in a file of ITCH 5.0 before its first event: its day and its stocks."""

import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import DAY, SECOND
from flowsense.sources.files import bare_name
from flowsense.sources.itch_blocks import blocks
from flowsense.sources.itch_decode import directory

NEW_YORK = ZoneInfo("America/New_York")
DAYS = (  # in names of files
    (re.compile(r"(?<!\d)(\d{4})-?([01]\d)-?([0-3]\d)(?!\d)"), (1, 2, 3)),
    (re.compile(r"(?<!\d)([01]\d)([0-3]\d)(20\d\d)(?!\d)"), (3, 1, 2)),
    (re.compile(r"^S([01]\d)([0-3]\d)(\d\d)-v5"), (3, 1, 2)),
)


class Survey(NamedTuple):
    """What one look at the file tells before the first event."""

    symbols: tuple[str, ...]
    locates: tuple[int, ...]
    listed: bool  # the directory came first: it names all stocks
    midnight: int  # ns UTC, of the day in New York


def day_of(path: Path, given: str | None) -> date:
    """Of a raw file, which tells only times of day. Raises InputError."""
    if given is not None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise InputError(f"date {given!r}: write it like 2019-01-30") from None
    for form, order in DAYS:
        if match := form.search(bare_name(path)):
            year, month, day = (int(match[k]) for k in order)
            try:
                return date(year + 2000 * (year < 100), month, day)
            except ValueError:
                continue
    raise InputError(
        f"{path}: its name holds no date: call it like 20190130.NASDAQ_ITCH50, or give date"
    )


def midnight(day: date) -> int:
    """ns UTC, in New York."""
    at = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * DAY + since.seconds * SECOND


def survey(path: Path, capture: bool, given: str | None) -> Survey:
    """Reads as far as the directory, or everything where there is none. Raises InputError."""
    names, seen = np.full((1 << 16, 8), ord(" "), np.int8), np.zeros(1 << 16, np.int64)
    listed, start = False, 0 if capture and given is None else midnight(day_of(path, given))
    for block in blocks(path, capture, Counter()):
        if not start:
            when = datetime.fromtimestamp(int(block.packets[0, 1]) // SECOND, NEW_YORK)
            start = midnight(when.date())
        if directory(block.data, names, seen) and (seen == 2).any():
            listed = True
            break
    locates = np.flatnonzero(seen)
    if not len(locates):
        raise InputError(f"{path}: no message of a stock in it: is it ITCH 5.0?")
    told = (names[k].tobytes().decode("latin-1").strip() for k in locates)
    symbols = [name or f"#{k}" for name, k in zip(told, locates, strict=True)]
    odd = next((name for name in symbols if not (name.isascii() and name.isprintable())), None)
    if odd is not None:
        raise InputError(
            f"{path}: a stock is named {odd!r}: the file is damaged, download it again"
        )
    return Survey(tuple(symbols), tuple(locates.tolist()), listed, start)
