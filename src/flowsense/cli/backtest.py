"""`flowsense backtest`: a fitted model traded on a recording, with its costs, as a tear sheet."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import against, reading
from flowsense.cli.fitted import checkpoint, from_time, opened
from flowsense.cli.session import SESSION, opening
from flowsense.cli.shared import takes
from flowsense.cli.trading import TRADING, planned
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Result
    from flowsense.evaluate.tried import Among

OTHERS = ("metrics.json", "manifest.json", "paper.json")  # of runs, checkpoints and accounts
LOTS, TINY = 3, 1e-6  # instruments whose lots are told; share of the capital that is nothing
NOTES = 5  # of the sheet's warnings, on the terminal


@takes(SESSION, TRADING, against.AGAINST, reading.READING)
def backtest(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")],
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the tear sheet.")],
    grids: Annotated[
        bool, typer.Option("--sensitivity", help="Also other costs, latencies and sizes.")
    ] = False,
    broken: Annotated[
        str | None,
        typer.Option("--stress", metavar="NAME,...", help="Also in markets that break; or all."),
    ] = None,
) -> None:
    """Trade what a model says of a recording: its tear sheet.

    Orders go to the recorded market: what they would have got is read from what traded there and
    was displayed. They are sent from the first row that the run scored on, or from --start.
    """
    from flowsense.backtest.arms import Arm, bars_alone
    from flowsense.backtest.fitted import sensitivities, stressed, traded, varied
    from flowsense.backtest.sheet import told, write
    from flowsense.backtest.sheet.content import digest
    from flowsense.cli.terminal import console, watched
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.read import hashes

    unmixed(out)
    place = checkpoint(model)
    plan = planned(ctx.params, from_time(ctx.params["start"], model))
    hours, scenarios = opening(ctx.params), broken_by(broken)
    ensure_writable(out.parent)
    fitted, recording = opened(ctx.params, sources, place)
    plan.risk.acted_on(fitted.targets)
    spec, table = recording.spec, recording.instruments
    name = f"{ctx.params['strategy']} {place.name}"
    arms = against.arms_of(ctx, model, name, Arm(fitted, spec, plan), table)
    source, plans = hours.during(recording.source), varied(plan, bars_alone(table)) if grids else {}
    with watched(recording.files) as tell, reading.named(recording.files):
        tell("trading", 0, None)
        others = {key: Arm(fitted, spec, each) for key, each in plans.items()}
        found = traded(arms | others, source)
        result, *_ = mine = tuple(hours.on(found[key]) for key in arms)
        tell("breaking the market" if scenarios else "drawing", 0, None)
        outcomes = stressed(fitted, spec, source, plan, result, scenarios) if scenarios else ()
        result = breaking(result) if scenarios else result
        beside = against.compared(ctx, found, arms)
    data = digest(sorted(hashes(recording.files).values()), spec.digest)
    among, grid = tried(out, mine, data), sensitivities(found) if grids else ()
    shown = told(result, sensitivity=grid, stress=outcomes, among=among, data=data, against=beside)
    summarised(result, write(out, shown))
    if ctx.params["start"] is None:
        console().print("It begins where the last scores of RUN begin; --start widens it.")
    against.shown(beside)


def unmixed(out: Path) -> None:
    """Raises InputError where a sheet would lie in a file, or among what another command wrote."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file: name a folder")
    if found := [name for name in OTHERS if (out / name).exists()]:
        raise InputError(f"--out {out}: holds {found[0]} of another command: name another folder")


def tried(out: Path, results: "tuple[Result, ...]", data: str) -> "Among":
    """What was tried on these data, with these: who looks at a second has tried it."""
    from flowsense.backtest.sheet import trial
    from flowsense.evaluate.tried import NAME, Trials

    trials = Trials(out.parent / NAME)
    for result in results:
        trials.add(trial(result._replace(name=against.alone(result.name)), data))
    return trials.of(data)


def broken_by(asked: str | None) -> tuple[str, ...]:
    """Names of scenarios. Raises InputError."""
    from flowsense.backtest.fitted import SCENARIOS
    from flowsense.registry import unknown

    if asked is None:
        return ()
    names = tuple(dict.fromkeys(filter(None, (part.strip() for part in asked.split(",")))))
    if wrong := [n for n in names if n not in (*SCENARIOS, "all")]:
        raise InputError(unknown("scenario", wrong[0], (*SCENARIOS, "all")))
    if not names:
        raise InputError(f"--stress {asked!r}: name one of {', '.join(SCENARIOS)}, or all")
    return tuple(SCENARIOS) if "all" in names else names


def breaking(result: "Result") -> "Result":
    """The result, which tells when scenarios strike."""
    from flowsense.backtest.arms import bars_alone
    from flowsense.backtest.fitted import struck
    from flowsense.evaluate.report.markup import moment, span
    from flowsense.schema import SECOND

    start, length = struck(result, bars_alone(result.instruments))
    when = f"from {moment(start)} on for {span(length / SECOND)}"
    why = "when the most was held" if result.marks["exposure"].any() else "in the middle"
    return result._replace(config=result.config | {"broken": f"{when}, {why}"})


def when(result: "Result") -> str:
    """From when until when it traded."""
    from flowsense.evaluate.report.markup import moment

    ts = result.marks["ts"]
    return f"from {moment(int(ts[0]))} until {moment(int(ts[-1]))} UTC" if len(ts) else ""


def lots(result: "Result") -> Iterator[str]:
    """What a lot is of the first instruments, and whether orders are too small to matter."""
    for k, i in enumerate(result.instruments[:LOTS]):
        fills = result.fills[result.fills["instrument"] == k]
        units, worth = float(i.lot) * float(i.contract), ""
        if len(fills) and not i.inverse:
            price = int(fills["price"][-1]) * float(i.tick)
            worth = f", worth {price * units:.3g} at the last execution"
        yield f"1 lot of {i.symbol} is {units:g} of it{worth}."
    turnover = float(result.marks["turnover"][-1]) if len(result.marks) else 0.0
    each = turnover / max(len(result.fills), 1)
    if 0 < each < TINY * result.capital:
        yield (
            f"Note: an execution is worth {each:.3g} on average, {each / result.capital:.1g} of "
            "the capital: give more --lots or less --capital."
        )


def summarised(result: "Result", page: Path) -> None:
    """The finding, and where the rest lies."""
    import orjson

    from flowsense.backtest.sheet import verdict
    from flowsense.backtest.sheet.words import percent
    from flowsense.cli.terminal import console

    content = orjson.loads((page.parent / "sheet.json").read_bytes())
    to = console()
    to.print(verdict.title(content), style="bold")
    for sentence in verdict.sentences(content):
        to.print(sentence)
    if content["stress"]:
        worst = max(content["stress"], key=lambda each: each["loss"])
        if worst["loss"] > 0:
            net = f"{percent(worst['net'])} of the capital"
            to.print(f"Worst when the market breaks: {worst['scenario']}, net {net}.")
    for warning in content["warnings"][:NOTES]:
        to.print(f"Note: {warning}.")
    sent, filled = result.orders.get("sent", 0), len(result.fills)
    to.print(f"{sent:,} orders sent, {filled:,} executions {when(result)}")
    for sentence in lots(result):
        to.print(sentence)
    to.print(f"{page}  the tear sheet, for a browser", soft_wrap=True)
    to.print(f"{page.parent / 'sheet.json'}  the same as numbers", soft_wrap=True)
