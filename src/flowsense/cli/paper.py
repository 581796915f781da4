"""`flowsense paper`: a fitted model traded on paper, in a folder that survives its process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import typer

from flowsense.cli import against, reading
from flowsense.cli.backtest import summarised, tried
from flowsense.cli.fitted import checkpoint, from_time, opened
from flowsense.cli.leaving import Left, leaving
from flowsense.cli.session import SESSION, Opening, opening
from flowsense.cli.shared import takes
from flowsense.cli.trading import TRADING, planned
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Result
    from flowsense.backtest.against import Compared
    from flowsense.backtest.paper import Paper
    from flowsense.schema import Chunk
    from flowsense.train.read import Recording

Rivals: TypeAlias = "Callable[[dict[str, Result]], Compared | None]"

OFTEN = 250_000_000  # ns between two looks
LINES = 8  # instruments that are shown
COLUMNS = ("account", "gain", "position", "open orders", "")
SIDES = {-1: "sell", 0: "", 1: "buy"}


@takes(SESSION, TRADING, against.AGAINST, reading.READING)
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
    """Trade on paper: an account that goes on where it was left.

    What a model says is traded as by `backtest`. The same command again goes on, also after a crash
    or a loss of power. Ctrl-C ends it, saved.
    """
    if speed is not None and not 0 < speed < float("inf"):
        raise InputError(f"--speed {speed}: give a number above 0")
    with leaving() as left:  # loading may compile, which takes long
        from flowsense.backtest.arms import Arm
        from flowsense.backtest.folder import MARKED
        from flowsense.backtest.paper import Paper
        from flowsense.store.atomic import ensure_replaceable

        place = checkpoint(model)
        plan = planned(ctx.params, from_time(ctx.params["start"], model))
        hours = opening(ctx.params)
        ensure_replaceable(out, MARKED, "a paper account")
        fitted, recording = opened(ctx.params, sources, place)
        plan.risk.acted_on(fitted.targets)
        stream = Stream(recording, hours)
        stream.check()
        name, table = f"{ctx.params['strategy']} {place.name}", recording.instruments
        arms = against.arms_of(ctx, model, name, Arm(fitted, recording.spec, plan), table)
        account, rivals = Paper(out, arms, table), partial(against.compared, ctx, arms=arms)
        said(account)
        try:
            trade(account, stream, left, speed, rivals)
        except InputError:
            account.close()  # all until there
            raise


class Stream(NamedTuple):
    """What is traded: a recording, as far as its market is open."""

    recording: "Recording"
    hours: Opening

    def chunks(self) -> Iterator["Chunk"]:
        from flowsense.sources import chunks

        return chunks(self.hours.during(self.recording.source))

    def check(self) -> None:
        """Raises InputError where nothing of it can be read."""
        with reading.named(self.recording.files):
            next(self.chunks(), None)


def trade(
    account: "Paper", stream: Stream, left: Left, speed: float | None, rivals: Rivals
) -> None:
    """Until it ends, or somebody ends it."""
    from flowsense.backtest.consumed import ahead
    from flowsense.backtest.pace import feed
    from flowsense.wall import Wall

    done, out = account.finished, account.folder.path
    with reading.named(stream.recording.files), watched(account) as look:

        def go_on() -> bool:
            look()
            return not left.asked

        left.gently = True
        unseen = ahead(stream.chunks(), account.position, lambda: account.over)
        whole = feed(account, unseen, go_on, Wall(), speed)
    if not whole:
        account.close()
        say(f"{out}: saved at {at(account)}: the same command goes on from there")
        if len(account.arms.arms) > 1:
            with suppress(InputError):  # too soon to say anything
                against.shown(rivals(account.results()))
    elif done and account.finished:
        account.close()
        say(f"{out}: finished at {at(account)}; its tear sheet is {out / 'sheet.html'}")
    else:
        finish(account, stream, rivals)


def finish(account: "Paper", stream: Stream, rivals: Rivals) -> None:
    """The tear sheet, as `backtest` makes it."""
    from flowsense.backtest.sheet import told, write
    from flowsense.backtest.sheet.content import digest
    from flowsense.train.read import hashes

    found = {name: stream.hours.on(one) for name, one in account.results().items()}
    (result, *_), beside = found.values(), rivals(found)
    recording, out = stream.recording, account.folder.path
    data = digest(sorted(hashes(recording.files).values()), recording.spec.digest)
    among = tried(out, tuple(found.values()), data)
    page = write(out, told(result, among=among, data=data, against=beside))
    account.finish()
    summarised(result, page)
    against.shown(beside)


def said(account: "Paper") -> None:
    """Where it goes on, and what became of it since."""
    found = account.recovery
    if found.fresh or account.finished:
        return
    again = f"{found.pushes:,} pushes of it folded again"
    say(f"{account.folder.path}: goes on at {at(account)}, {again}")
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
    from flowsense.evaluate.report.markup import moment

    events, *_ = account.position.counts
    if account.position.ts == 0:
        return "the beginning"
    return f"event {events:,}, {moment(account.position.ts, 'ms')} UTC"


def say(sentence: str) -> None:
    from flowsense.cli.terminal import console

    console().print(sentence, soft_wrap=True)


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
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("account", "") else "right")
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
