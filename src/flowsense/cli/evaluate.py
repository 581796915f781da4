"""`flowsense evaluate`: fitted models, or forecasts made elsewhere, scored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.shared import takes
from flowsense.errors import InputError


@takes(reading.READING)
def evaluate(
    ctx: typer.Context,
    what: Annotated[
        Path, typer.Argument(metavar="DIR|FORECASTS", help="Of `train`, or a Parquet file.")
    ],
    prices: Annotated[
        list[str] | None, typer.Option(metavar="SRC...", help="The recording, of FORECASTS.")
    ] = None,
    share: Annotated[
        float, typer.Option(metavar="PART", help="First part of the time: only sets thresholds.")
    ] = 0.2,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All scores as JSON.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the intervals.", min=0)] = 0,
) -> None:
    """Score what `train` fitted, or forecasts made elsewhere.

    Beside the nulls of a run. Columns of FORECASTS: ts (ns UTC), instrument, target, horizon_ns,
    p_down, p_flat, p_up, perhaps value.
    """
    if what.is_dir():
        if prices or out or reading.told(ctx.params):
            raise InputError(f"{what}: is a folder of `train`, which knows its rows: name it alone")
        trained(what)
    elif prices:
        outside(what, prices, ctx.params)
    else:
        raise InputError(f"{what}: are forecasts: name the recording with --prices SRC")


def trained(folder: Path) -> None:
    """Forecast and score, with the models in the folder."""
    from flowsense.cli.summary import say
    from flowsense.cli.terminal import watched
    from flowsense.train.steps import evaluate as score

    with watched() as tell:
        done = score(folder, progress=tell)
    say(done.metrics, folder)


def outside(forecasts: Path, prices: list[str], asked: Mapping[str, Any]) -> None:
    """Score a file of forecasts."""
    from flowsense.cli.spread import parts
    from flowsense.cli.summary import notes, table
    from flowsense.cli.terminal import console, watched
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.outside import score
    from flowsense.train.read import read

    out, share, seed = (asked[name] for name in ("out", "share", "seed"))
    if out:
        ensure_writable(out.parent)
    recording = read([s for group in prices for s in parts(group)], **reading.options(asked))
    with watched(recording.files) as tell:
        found = score(forecasts, recording.source, share=share, seed=seed, progress=tell)
    metrics = {"models": found.as_json(), "warnings": list(found.warnings), "left_out": []}
    to = console()
    to.print(table(metrics))
    notes(metrics, to)
    if out:
        from flowsense.cli.saved import save_json

        save_json(out, metrics)
        to.print(f"{out}  all scores", soft_wrap=True)
