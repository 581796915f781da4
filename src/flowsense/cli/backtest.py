"""`flowsense backtest`: a fitted model traded on a recording, with its costs, as a tear sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import reading
from flowsense.cli.shared import takes
from flowsense.cli.trading import TRADING, planned, suits
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Result


@takes(TRADING, reading.READING)
def backtest(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")],
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the tear sheet.")],
    grids: Annotated[
        bool, typer.Option("--sensitivity", help="Also other costs, latencies and sizes.")
    ] = False,
) -> None:
    """Trade what a model says of a recording: its tear sheet.

    Orders go to the recorded market: what they would have got is read from what traded there and
    was displayed. They are sent from the first row that the run scored on, or from --start.
    """
    from flowsense.backtest.arms import bars_alone
    from flowsense.backtest.fitted import sensitivities, trade, varied
    from flowsense.backtest.sheet import told, trial, write
    from flowsense.backtest.sheet.content import digest
    from flowsense.cli.terminal import watched
    from flowsense.evaluate.tried import NAME, Trials
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.read import hashes, read
    from flowsense.train.shelf import load_model

    place = checkpoint(model)
    start = from_time(ctx.params["start"], model)
    plan = planned(ctx.params, start)
    ensure_writable(out.parent)
    fitted, spec = load_model(place)
    families = tuple(name for name, _ in spec.versions)
    options = reading.options(ctx.params) | {"families": families, "clocks": spec.clocks}
    recording = read(sources, **options)
    suits(ctx.params, recording.instruments)
    with watched(recording.files) as tell, reading.named(recording.files):
        tell("trading", 0, None)
        name = f"{ctx.params['strategy']} {place.name}"
        plans = {name: plan} | (varied(plan, bars_alone(recording.instruments)) if grids else {})
        found = trade(fitted, spec, recording.source, plans)
    result, others = found[name], sensitivities(found) if grids else ()
    trials = Trials(out.parent / NAME)
    one = trial(result, digest(sorted(hashes(recording.files).values()), spec.digest))
    trials.add(one)
    shown = told(result, sensitivity=others, among=trials.of(one.data), data=one.data)
    page = write(out, shown)
    summarised(result, page)


def checkpoint(given: Path) -> Path:
    """The model that is named, or the one that a run chose. Raises InputError."""
    import orjson

    if (given / "manifest.json").is_file() and not (given / "metrics.json").is_file():
        return given
    metrics = given / "metrics.json"
    if not metrics.is_file():
        raise InputError(f"{given}: is neither a run nor one of its checkpoints: name one")
    place = given / "checkpoints" / str(orjson.loads(metrics.read_bytes())["chosen"])
    if not place.is_dir():
        raise InputError(f"{given}: its choice was not saved: name one of its checkpoints")
    return place


def from_time(asked: str | None, model: Path) -> int:
    """ns from which orders are sent: as asked, or where what the last fold scored begins."""
    from flowsense.cli.settings import moment

    if asked is not None:
        return moment(asked)
    import numpy as np
    import pyarrow.parquet as pq

    run = model if (model / "metrics.json").is_file() else model.parent.parent
    files = sorted((run / "forecasts").glob("*.parquet"))
    if not files:
        raise InputError(f"{model}: nobody knows what it was fitted on: give --start")
    rows = [pq.read_table(file, columns=["ts", "fold"]) for file in files]
    ts, fold = (
        np.concatenate([table[name].cast("int64").to_numpy() for table in rows])
        for name in ("ts", "fold")
    )
    return int(ts[fold == fold.max()].min())


def summarised(result: "Result", page: Path) -> None:
    """The finding, and where the rest lies."""
    import orjson

    from flowsense.backtest.sheet import verdict
    from flowsense.cli.terminal import console

    content = orjson.loads((page.parent / "sheet.json").read_bytes())
    to = console()
    to.print(verdict.title(content), style="bold")
    for sentence in verdict.sentences(content):
        to.print(sentence)
    sent, filled = result.orders.get("sent", 0), len(result.fills)
    to.print(f"{sent:,} orders sent, {filled:,} executions")
    to.print(f"{page}  the tear sheet, for a browser", soft_wrap=True)
    to.print(f"{page.parent / 'sheet.json'}  the same as numbers", soft_wrap=True)
