"""Where words go: results to stdout, progress to stderr while somebody is watching."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from flowsense.sources.position import Position
from flowsense.train.progress import Progress as Tell
from flowsense.train.progress import silent

PIPE = 120  # columns where there is no terminal
OFTEN = 64  # chunks between two looks at how far reading has come


def console() -> Console:
    """stdout; rich itself honours NO_COLOR and COLUMNS."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE
    return Console(highlight=False, markup=False, emoji=False, width=wide)


@contextmanager
def watched(files: tuple[Path, ...] = ()) -> Iterator[Tell]:
    """Progress with the time left, on a terminal; silence elsewhere."""
    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield silent
        return
    columns = (
        TextColumn("{task.description:<22.22}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[said]:>16}"),
        TimeElapsedColumn(),
        Left(),
    )
    with Progress(*columns, console=errors, transient=True) as bars:
        yield Bars(bars, Position(files))


class Left(ProgressColumn):
    """The time left, once there is something to judge it by."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if not left else f"about {timedelta(seconds=round(left))} left")


class Bars:
    """One bar, for the stage that is under way."""

    def __init__(self, bars: Progress, position: Position) -> None:
        self.bars, self.position = bars, position
        self.stage, self.calls = "", 0
        self.task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        kind = stage.split(" ")[0]
        if kind != self.stage or self.task is None:
            if self.task is not None:
                self.bars.remove_task(self.task)
            self.stage, self.calls = kind, 0
            self.task = self.bars.add_task(stage, total=total, said="")
        self.calls += 1
        if total is not None:
            said = f"{done} of {total}"
            self.bars.update(self.task, description=stage, completed=done, total=total, said=said)
        elif self.calls % OFTEN == 1:
            share = self.position.share()
            said = f"{done:,} events" if done else ""
            self.bars.update(
                self.task, description=stage, completed=share, total=share and 1, said=said
            )
