"""`--against`: a second configuration on the same stream, by what differs from the first."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args

import typer

from flowsense.cli.fitted import checkpoint, from_time
from flowsense.cli.shared import Shared
from flowsense.cli.trading import TRADING, planned, suits
from flowsense.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from flowsense.backtest import Result
    from flowsense.backtest.against import Compared
    from flowsense.backtest.arms import Arm
    from flowsense.schema import Instrument

FLAG, BESIDE = "--against", " beside"
AGAINST: Shared = {
    "against": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="CHANGES",
                help="Also another, and which earns more: 'run=OTHER lots=9', its changes by name.",
            ),
        ],
        None,
    ),
}


class Changes(NamedTuple):
    """What a second configuration has otherwise."""

    words: str  # as they were given
    run: Path | None
    block_ns: int  # 0: what the horizons ask for
    options: dict[str, Any]


def arms_of(
    ctx: typer.Context, run: Path, name: str, arm: "Arm", table: "tuple[Instrument, ...]"
) -> "dict[str, Arm]":
    """The arm, and the one that it stands against where the command was given --against.

    `run` is what `arm` was made of, as `flowsense.cli.fitted.checkpoint` reads it, `table` what
    is traded. Raises InputError for changes that cannot be, and where nothing differs.
    """
    from flowsense.backtest.arms import Arm
    from flowsense.train.shelf import load_model

    changes = changes_of(ctx)
    if changes is None:
        return {name: arm}
    asked, model, spec, start = ctx.params | changes.options, arm.model, arm.spec, arm.plan.start
    place = checkpoint(run)
    if changes.run is not None and checkpoint(changes.run).resolve() != place.resolve():
        place = checkpoint(changes.run)
        model, spec = load_model(place)
    elif all(value == ctx.params[key] for key, value in changes.options.items()):
        raise InputError(f"{FLAG} {changes.words!r}: nothing differs: give an option another value")
    if place != checkpoint(run) or "start" in changes.options:
        start = from_time(asked["start"], changes.run or run)
    try:
        plan = planned(asked, start)
        suits(asked, table)
    except InputError as error:
        raise InputError(f"{FLAG} {changes.words!r}: {error}") from None
    other = f"{asked['strategy']} {place.name}{BESIDE}"
    return {name: arm, other: Arm(model, spec, plan)}


def alone(name: str) -> str:
    """Of an arm of `arms_of`: the name that it has where nothing runs beside it."""
    return name.removesuffix(BESIDE)


def compared(
    ctx: typer.Context, results: "Mapping[str, Result]", arms: "Mapping[str, Arm]"
) -> "Compared | None":
    """Of the arms of `arms_of`, as far as they have come; None where it gave one alone.

    Raises InputError for arms that never ran at the same time.
    """
    from flowsense.backtest import against

    changes = changes_of(ctx)
    if changes is None:
        return None
    (a, one), (b, other) = arms.items()
    block = changes.block_ns or against.block_of(arms)
    shared = [t for t in one.model.targets if t in other.model.targets]
    targets = () if one.model is other.model else tuple(map(str, shared))
    named = results[b]._replace(name=f"{alone(b)} with {changes.words}")
    return against.compared(results[a], named, block, targets=targets)


def changes_of(ctx: typer.Context) -> Changes | None:
    """What --against was given, read as the options of those names read it. Raises InputError."""
    given = ctx.params["against"]
    if not given:
        return None
    if len(given) > 1:
        raise InputError(f"{FLAG} was given {len(given)} times: compare two at a time")
    (words,) = given
    found = dict[str, str]()
    for key, value in pairs(words):
        if key in found:
            raise InputError(f"{FLAG} {words!r}: {key} is there twice: say it once")
        found[key] = value
    if not found:
        raise InputError(f"{FLAG}: says nothing: give it changes like 'lots=9 taker=0.5'")
    run, block = found.pop("run", None), found.pop("block", None)
    options = {key: read(key, value) for key, value in found.items()}
    return Changes(words, Path(run) if run else None, spanned(block) if block else 0, options)


def pairs(words: str) -> Iterator[tuple[str, str]]:
    """``lots=9 run='a b'``: names, which there are, and values, which are not empty."""
    from flowsense.registry import unknown

    known = ("run", "block", *TRADING)
    try:
        parts = shlex.split(words)
    except ValueError as error:
        raise InputError(f"{FLAG} {words!r}: {str(error).lower()}: close the quotes") from None
    for part in parts:
        name, _, value = part.partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if key not in known:
            raise InputError(f"{FLAG}: {unknown('option', name, known)}")
        if not value:
            raise InputError(f"{FLAG} {part!r}: write {name}=VALUE")
        yield key, value


def read(key: str, value: str) -> Any:
    """As the option of that name reads it."""
    declared, option = get_args(TRADING[key][0])
    kinds = get_args(declared) or (declared,)
    kind = next((k for k in (int, float) if k in kinds), None)
    if kind is None:
        return value
    try:
        number = kind(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{FLAG} {key}={value}: write {what}") from None
    if option.min is not None and number < option.min:
        raise InputError(f"{FLAG} {key}={value}: give {option.min} or more")
    return number


def spanned(block: str) -> int:
    """ns of whole minutes."""
    from flowsense.forecast import duration
    from flowsense.schema import SECOND

    ns = duration(block)
    if ns % (60 * SECOND):
        raise InputError(f"{FLAG} block={block}: give whole minutes, like 5m")
    return ns


def shown(found: "Compared | None") -> None:
    """Two columns, where the difference comes from, and the sentences; nothing of one alone."""
    if found is None:
        return
    from flowsense.backtest.sheet.against import sentences
    from flowsense.backtest.sheet.content import rival
    from flowsense.cli.terminal import console

    to = console()
    to.print()
    for letter, side in zip("AB", (found.a, found.b), strict=True):
        to.print(f"{letter}  {side.name}", soft_wrap=True)
    to.print(table(found))
    for said in sentences(rival(found)):
        to.print(said)


def table(found: "Compared") -> "Table":
    """Currency, below 0 where it was paid, and the difference in basis points of the capital."""
    from rich.table import Table

    from flowsense.backtest.sheet.against import ROWS, signed
    from flowsense.backtest.sheet.tables import precise
    from flowsense.backtest.sheet.words import WAY

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "A", "B", "A - B, bp of capital"):
        made.add_column(column, justify="right" if column else "left", no_wrap=True)
    for words, key in ROWS.items():
        amounts = (precise(WAY[key] * getattr(side, key)) for side in (found.a, found.b))
        made.add_row(words, *amounts, signed(getattr(found.gap, key)))
    made.add_row("executions", *(f"{side.fills:,}" for side in (found.a, found.b)), "")
    made.add_row("turnover", *(f"{side.turnover:,.2f} x" for side in (found.a, found.b)), "")
    return made
