"""`flowsense report`: the report of a run, drawn again from its numbers."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of a run.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HTML file. [default: DIR/report.html]")
    ] = None,
) -> None:
    """Draw the report of a run again, from its numbers."""
    from flowsense.cli.saved import load_json
    from flowsense.cli.terminal import console
    from flowsense.evaluate.report import write
    from flowsense.store.atomic import current

    there = current(folder)
    metrics, curves = (load_json(there / f"{name}.json") for name in ("metrics", "curves"))
    console().print(str(write(out or folder, metrics, curves)), soft_wrap=True)
