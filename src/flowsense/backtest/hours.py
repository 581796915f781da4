"""Sessions as people write them: a name, or a zone with hours and days; holidays from a file."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from pathlib import Path

from flowsense.backtest.sessions import Session
from flowsense.errors import InputError
from flowsense.registry import unknown

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NIGHTS = frozenset({6, 0, 1, 2, 3})  # Sunday to Thursday: a session ends on the day after
ALWAYS = "always"
NAMED = {  # the regular hours, as the markets state them; half days are holidays to be given
    "nyse": Session("America/New_York", time(9, 30), time(16)),
    "nasdaq": Session("America/New_York", time(9, 30), time(16)),
    "cme": Session("America/Chicago", time(17), time(16), NIGHTS),
    "lse": Session("Europe/London", time(8), time(16, 30)),
    "xetra": Session("Europe/Berlin", time(9), time(17, 30)),
    "euronext": Session("Europe/Paris", time(9), time(17, 30)),
    "fx": Session("America/New_York", time(17), time(17), NIGHTS),
}
FORM = re.compile(
    r"(\S+)\s+(\d\d):(\d\d)-(\d\d):(\d\d)(?:\s+([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))?)?"
)


def session(text: str, holidays: frozenset[date] = frozenset()) -> Session | None:
    """The one of that name, or ``America/New_York 09:30-16:00``, with days ``Sun-Thu`` behind.

    None: ``always``. Raises InputError.
    """
    if text == ALWAYS:
        if holidays:
            raise InputError(f"session {ALWAYS!r}: knows no holidays: give none")
        return None
    if text in NAMED:
        return replace(NAMED[text], holidays=holidays)
    if not (found := FORM.fullmatch(text.strip())):
        if " " not in text.strip():
            raise InputError(unknown("session", text, (*NAMED, ALWAYS, "ZONE HH:MM-HH:MM")))
        raise InputError(
            f"session {text!r}: write a zone and hours, like 'America/New_York 09:30-16:00', and "
            "days if they are others than Mon-Fri, like 'Sun-Thu'"
        )
    zone, *hours, first, last = found.groups()
    opens, closes = (clock(text, *pair) for pair in (hours[:2], hours[2:]))
    return Session(
        zone, opens, closes, days(text, first or "Mon", last or first or "Fri"), holidays
    )


def clock(text: str, hour: str, minute: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise InputError(f"session {text!r}: no time {hour}:{minute}: 00:00 to 23:59") from None


def days(text: str, first: str, last: str) -> frozenset[int]:
    """From the first to the last, over the end of the week if need be."""
    for name in (first, last):
        if name not in DAYS:
            raise InputError(f"session {text!r}: no day {name!r}: give {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last)
    return frozenset((start + k) % 7 for k in range((end - start) % 7 + 1))


def holidays(path: Path) -> frozenset[date]:
    """A day like 2024-12-25 on each line; what follows a # is a remark. Raises InputError."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: name a text file of days") from error
    found = frozenset(dated(path, lines))
    if not found:
        raise InputError(f"{path}: names no day: write one like 2024-12-25 on each line")
    return found


def dated(path: Path, lines: Sequence[str]) -> list[date]:
    found = list[date]()
    for k, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        try:
            found += [date.fromisoformat(text)] if text else []
        except ValueError:
            raise InputError(f"{path}: line {k}: {text!r} is no day: like 2024-12-25") from None
    return found
