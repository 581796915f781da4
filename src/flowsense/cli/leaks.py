"""`flowsense doctor leaks`: does anything know what it could not know yet?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.reading import Text
from flowsense.cli.shared import takes

if TYPE_CHECKING:
    from rich.table import Table

    from flowsense.testing.leaks import Asked, Finding

WIDE = 100  # columns of the printed table, at most


@takes(reading.READING)
def leaks(  # noqa: PLR0913  options are told to typer by the signature
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SRC]", help="What to check on; else a simulated market."),
    ] = None,
    families: Annotated[Text, typer.Option(metavar="NAMES", help="Of features; else all.")] = None,
    models: Annotated[Text, typer.Option(metavar="NAMES", help="Else all.")] = None,
    targets: Annotated[Text, typer.Option(metavar="TARGETS", help="Else all but smoothed.")] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Parquet of ready features: check these.")
    ] = None,
    prices: Annotated[
        list[str] | None, typer.Option(metavar="SRC...", help="The recording beside the table.")
    ] = None,
    points: Annotated[
        int, typer.Option(metavar="N", min=1, help="Places after which the future is changed.")
    ] = 100,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All findings as JSON.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything drawn.", min=0)] = 0,
) -> None:
    """Change the future, shuffle the labels, weigh the columns: nothing may know of it.

    The exit code is 1 if something leaks.
    """
    from flowsense.cli.spread import parts
    from flowsense.store.atomic import ensure_writable

    if out:
        ensure_writable(out.parent)
    asked = asked_for(families, models, targets, points, seed)
    beside = [s for group in prices or [] for s in parts(group)]
    found = judged(asked, table, [*(sources or []), *beside], reading.options(ctx.params))
    say(found, out, seed)
    if any(one.leaks for one in found):
        raise typer.Exit(1)


def asked_for(families: Text, models: Text, targets: Text, points: int, seed: int) -> "Asked":
    """Decoded once. Raises InputError."""
    from flowsense.forecast import Target
    from flowsense.testing.leaks import Asked

    split = [tuple(x.strip() for x in (text or "").split(",")) for text in (families, models)]
    named = [tuple(x for x in parts if x) for parts in split]
    wanted = tuple(Target.parse(t.strip()) for t in targets.split(",")) if targets else ()
    return Asked(named[0], named[1], wanted, points, seed)


def judged(
    asked: "Asked", table: Path | None, sources: list[str], how: dict[str, Any]
) -> list["Finding"]:
    """All findings. Raises InputError for what cannot be read."""
    from flowsense.cli.terminal import watched
    from flowsense.errors import InputError
    from flowsense.testing.leaks import judge_code, judge_table
    from flowsense.testing.leaks.market import market, start_of
    from flowsense.testing.leaks.run import EVENTS
    from flowsense.train.read import read

    if table and not sources:
        raise InputError(f"{table}: name the recording of its prices: --prices SRC")
    with watched() as tell:
        tell("opening", 0, None)
        source = read(sources, **how).source if sources else None
        if table and source:
            return judge_table(table, source, asked.families)
        recording = start_of(source, EVENTS) if source else market(seed=asked.seed)
        return list(judge_code(recording, asked, tell))


def say(found: list["Finding"], out: Path | None, seed: int) -> None:
    """The table, then how many leak and where all of it is."""
    from dataclasses import asdict

    from flowsense.cli.saved import save_json
    from flowsense.cli.terminal import console

    to, leaking = console(), [one for one in found if one.leaks]
    to.print(shown(found, min(WIDE, to.width)))
    to.print()
    things = len(dict.fromkeys(one.what for one in leaking))
    to.print(
        f"{len(found)} checks: nothing leaks."
        if not leaking
        else f"{len(found)} checks: {things} {'leaks' if things == 1 else 'leak'}: "
        f"{', '.join(dict.fromkeys(one.what for one in leaking))}."
    )
    if out:
        save_json(out, {"seed": seed, "findings": [asdict(one) for one in found]})
        to.print(f"{out}  all findings", soft_wrap=True)


def shown(found: list["Finding"], wide: int) -> "Table":
    """A line for each leak, and one for all else that was checked of the same thing."""
    from rich.table import Table
    from rich.text import Text as Styled

    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", width=wide)
    for column, most in (("what", 24), ("checks", 28), ("verdict", 7), ("why", None)):
        out.add_column(column, overflow="fold", max_width=most)
    for what in dict.fromkeys(one.what for one in found):
        mine = [one for one in found if one.what == what]
        good = [one for one in mine if not one.leaks]
        for one in (one for one in mine if one.leaks):
            out.add_row(what, one.check, Styled("LEAK", style="red"), one.why)
        if good:
            checks = ", ".join(dict.fromkeys(one.check for one in good))
            why = "; ".join(dict.fromkeys(one.why for one in good))
            out.add_row(what, checks, Styled("clean", style="green"), why)
    return out
