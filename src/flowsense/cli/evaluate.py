"""`flowsense evaluate`: forecasts made elsewhere, scored against a recording."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    forecasts: Annotated[Path, typer.Argument(help="Parquet; the columns stand below.")],
    prices: Annotated[list[str], typer.Option(help="Files, folders or globs of the recording.")],
    share: Annotated[
        float, typer.Option(help="First part of the time, which only sets thresholds.")
    ] = 0.2,
    out: Annotated[Path | None, typer.Option(help="JSON file for all scores.")] = None,
    format: Annotated[str | None, typer.Option(help="Of the prices: `list sources`.")] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals.", min=0)] = 0,
) -> None:
    """Score forecasts made elsewhere beside the same nulls.

    Columns: ts (ns UTC), instrument, target, horizon_ns, p_down, p_flat, p_up, perhaps value.
    """
    from flowsense.cli.summary import notes, table
    from flowsense.cli.terminal import console, watched
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.outside import score
    from flowsense.train.read import read

    if out:
        ensure_writable(out.parent)
    recording = read(prices, format=format)
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
