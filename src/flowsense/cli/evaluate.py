"""`flowsense evaluate`: forecasts made elsewhere, scored against a recording."""

from pathlib import Path
from typing import Annotated

import typer

from flowsense.cli import reading


def evaluate(  # noqa: PLR0913  options are told to typer by the signature
    ctx: typer.Context,
    forecasts: Annotated[Path, typer.Argument(metavar="FORECASTS", help="Parquet file.")],
    prices: Annotated[list[str], typer.Option(metavar="SRC...", help="The recording.")],
    share: Annotated[
        float, typer.Option(metavar="PART", help="First part of the time: only sets thresholds.")
    ] = 0.2,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All scores as JSON.")] = None,
    format: reading.Format = None,
    columns: reading.Columns = None,
    unit: reading.Unit = None,
    symbol: reading.Symbol = None,
    sort: reading.Sort = False,
    tick: reading.Tick = None,
    lot: reading.Lot = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the intervals.", min=0)] = 0,
) -> None:
    """Score forecasts made elsewhere beside the nulls of a run.

    Columns: ts (ns UTC), instrument, target, horizon_ns, p_down, p_flat, p_up, perhaps value.
    """
    from flowsense.cli.spread import parts
    from flowsense.cli.summary import notes, table
    from flowsense.cli.terminal import console, watched
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.outside import score
    from flowsense.train.read import read

    if out:
        ensure_writable(out.parent)
    recording = read([s for group in prices for s in parts(group)], **reading.options(ctx.params))
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
