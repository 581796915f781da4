"""`flowsense paper`: a fitted model traded on paper, in a folder that survives its process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.backtest import checkpoint, from_time, summarised
from flowsense.cli.shared import takes
from flowsense.cli.trading import TRADING, planned
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest.paper import Paper
    from flowsense.train.read import Recording

SIGNALS = (signal.SIGINT, signal.SIGTERM)
OFTEN = 250_000_000  # ns between two looks
LINES = 8  # instruments that are shown
COLUMNS = (
    ("account", "left"),
    ("gain", "right"),
    ("position", "right"),
    ("open orders", "right"),
    ("", "left"),
)
SIDES = {-1: "sell", 0: "", 1: "buy"}


@takes(TRADING, reading.READING)
def paper(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")],
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the account.")],
    speed: Annotated[
        float | None,
        typer.Option(metavar="X", help="Times the recording's own pace. Default: all at once."),
    ] = None,
) -> None:
    """Trade what a model says on paper: an account that goes on where it was left.

    The same command again goes on, also after a crash or a loss of power. Ctrl-C ends it, saved.
    """
    from flowsense.backtest.folder import MARKED
    from flowsense.store.atomic import ensure_replaceable

    if speed is not None and not 0 < speed < float("inf"):
        raise InputError(f"--speed {speed}: give a number above 0")
    with leaving() as left:
        place = checkpoint(model)
        plan = planned(ctx.params, from_time(ctx.params["start"], model))
        ensure_replaceable(out, MARKED, "a paper account")
        account, recording = opened(ctx.params, sources, out, f"{place.name}", (place, plan))
        said(account, out)
        try:
            trade(account, recording, out, speed, left)
        except InputError:
            account.close()  # all until there
            raise


def opened(
    asked: dict[str, Any], sources: list[str], out: Path, name: str, how: tuple[Path, Any]
) -> tuple["Paper", "Recording"]:
    """The account in its folder, recovered, and the recording. Raises InputError."""
    from flowsense.backtest.arms import Arm
    from flowsense.backtest.paper import Paper
    from flowsense.sources import chunks
    from flowsense.train.read import read
    from flowsense.train.shelf import load_model

    place, plan = how
    fitted, spec = load_model(place)
    families = tuple(name for name, _ in spec.versions)
    options = reading.options(asked) | {"families": families, "clocks": spec.clocks}
    recording = read(sources, **options)
    with reading.named(recording.files):
        next(iter(chunks(recording.source)), None)  # what cannot be read is told before we begin
        arms = {f"{asked['strategy']} {name}": Arm(fitted, spec, plan)}
        return Paper(out, arms, recording.instruments), recording


def trade(
    account: "Paper", recording: "Recording", out: Path, speed: float | None, left: "Left"
) -> None:
    """Until it ends, or somebody ends it."""
    from flowsense.backtest.consumed import ahead
    from flowsense.backtest.pace import feed
    from flowsense.sources import chunks
    from flowsense.wall import Wall

    done = account.finished
    with reading.named(recording.files), watched(account) as look:

        def go_on() -> bool:
            look()
            return not left.asked

        left.gently = True
        stream = ahead(chunks(recording.source), account.position)
        whole = feed(account, stream, go_on, Wall(), speed)
    if not whole:
        account.close()
        say(f"saved at {at(account)}: the same command goes on from there")
    elif done and account.finished:
        account.close()
        say(f"{out}: finished at {at(account)}; its tear sheet is {out / 'sheet.html'}")
    else:
        finish(account, recording, out)


def finish(account: "Paper", recording: "Recording", out: Path) -> None:
    """The tear sheet, as `backtest` makes it."""
    from flowsense.backtest.sheet import told, trial, write
    from flowsense.backtest.sheet.content import digest
    from flowsense.evaluate.tried import NAME, Trials
    from flowsense.train.read import hashes

    (result,) = account.results().values()
    trials = Trials(out.parent / NAME)
    one = trial(result, digest(sorted(hashes(recording.files).values()), recording.spec.digest))
    trials.add(one)
    page = write(out, told(result, among=trials.of(one.data), data=one.data))
    account.finish()
    summarised(result, page)


def said(account: "Paper", out: Path) -> None:
    """Where it goes on, and what became of it since."""
    found = account.recovery
    if found.fresh or account.finished:
        return
    say(f"{out}: goes on at {at(account)}, {found.pushes:,} pushes of it folded again")
    for note in found.notes:
        say(f"Note: {note}")
    for difference in found.differences:
        say(f"Not reconciled: {difference}")
    if not found.differences:
        runs = account.arms.runs.values()
        orders = sum(len(run.account.open) for run in runs)
        held = sum(int((run.account.position != 0).sum()) for run in runs)
        say(f"reconciled with the venue: {orders:,} open orders, {held:,} positions")


def at(account: "Paper") -> str:
    """Its position, in words."""
    import numpy as np

    events, *_ = account.position.counts
    when = str(np.datetime64(account.position.ts, "ns"))[:23].replace("T", " ")
    return f"event {events:,}, {when} UTC"


def say(sentence: str) -> None:
    from flowsense.cli.terminal import console

    console().print(sentence, soft_wrap=True)


class Leave(SystemExit):
    """At once: what is written by then is all that matters."""


class Left:
    """Whether somebody wants this to end."""

    def __init__(self) -> None:
        self.gently = self.asked = False

    def __call__(self, number: int, frame: object) -> None:
        if self.asked or not self.gently:
            raise Leave(0)
        self.asked = True


@contextmanager
def leaving() -> Iterator[Left]:
    """The first SIGINT or SIGTERM asks for an end, once there is something to save; any other is
    obeyed at once, as safely as kill -9 is.
    """
    left = Left()
    before = {number: signal.signal(number, left) for number in SIGNALS}
    try:
        yield left
    except Leave:
        typer.echo("ended: the same command goes on", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(account: "Paper") -> Iterator[Callable[[], None]]:
    """A look at the account four times a second, on a terminal; silence elsewhere."""
    from rich.console import Console
    from rich.live import Live

    from flowsense.wall import Wall

    errors, clock = Console(stderr=True, highlight=False), Wall()
    if not errors.is_terminal:
        yield lambda: None
        return
    with Live(console=errors, auto_refresh=False, transient=True) as live:
        due = clock.now()

        def look() -> None:
            nonlocal due
            if clock.now() >= due:
                live.update(shown(account), refresh=True)
                due = clock.now() + OFTEN

        yield look


def shown(account: "Paper") -> Any:
    """Money, then a line for each instrument that has something to say."""
    from rich.table import Table

    table = Table(title=at(account), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name, justify in COLUMNS:
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, run in account.arms.runs.items():
        mark = run.account.marks[0]
        gained = mark["equity"] - run.capital if mark["ts"] else 0.0
        orders, done = run.account.open, run.account.counts()["sent"]
        table.add_row(name, f"{gained:+,.2f}", "", f"{len(orders):,}", f"{done:,} sent")
        for k, i in list(enumerate(run.instruments))[:LINES]:
            mine = int((orders["instrument"] == k).sum())
            table.add_row(
                f"  {i.symbol}",
                "",
                f"{run.account.position[k]:+,d}",
                f"{mine:,}",
                SIDES[int(run.signal["side"][k])] if run.signal["size"][k] > 0 else "",
            )
    return table
