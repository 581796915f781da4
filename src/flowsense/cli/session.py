"""`--session` and `--holidays`: when the market of a recording is open."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flowsense.cli.shared import Shared
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Result
    from flowsense.backtest.sessions import Session
    from flowsense.sources import Told

SESSION: Shared = {
    "session": (
        Annotated[
            str | None,
            typer.Option(
                metavar="HOURS", help="Traded: nyse, cme, ... or 'ZONE 09:30-16:00 Mon-Fri'."
            ),
        ],
        None,
    ),
    "holidays": (
        Annotated[
            Path | None,
            typer.Option(metavar="FILE", help="Days without a session, one on each line."),
        ],
        None,
    ),
}


class Opening(NamedTuple):
    """When the market is open, as far as it was said."""

    session: "Session | None" = None  # None: all of the recording
    notes: tuple[str, ...] = ()

    def during(self, source: "Told") -> "Told":
        """The source, which trades in the session alone."""
        from flowsense.backtest.sessions import InSession

        return InSession(source, self.session) if self.session else source

    def on(self, result: "Result") -> "Result":
        """The result, which tells of it."""
        if not self.session:
            return result
        said = [*result.config.get("told", []), *self.notes]
        config = result.config | {"session": spelled(self.session), "told": said}
        return result._replace(config=config)


def opening(asked: Mapping[str, Any]) -> Opening:
    """As these options say. Raises InputError."""
    from flowsense.backtest import hours

    session, file = asked["session"], asked["holidays"]
    if session is None:
        if file is not None:
            raise InputError(f"--holidays {file}: of which session? Give --session too")
        return Opening()
    found = hours.session(session, hours.holidays(file) if file else frozenset())
    unknown = f"holidays of the session {session} are not known: --holidays FILE names them"
    return Opening(found, (unknown,) if found and not file else ())


def spelled(session: "Session") -> str:
    """As it is asked for, and how many holidays it knows."""
    from flowsense.backtest.hours import DAYS

    hours = f"{session.opens:%H:%M}-{session.closes:%H:%M}"
    days = " ".join(DAYS[k] for k in sorted(session.days))
    return f"{session.zone} {hours} {days}, {len(session.holidays)} holidays"
